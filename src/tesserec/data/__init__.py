"""Raw tables become a Dataset; a Dataset becomes a Split."""
