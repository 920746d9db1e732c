"""Methods that learn from who chose what."""
