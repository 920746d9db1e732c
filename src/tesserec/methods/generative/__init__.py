"""Methods that write the semantic ids of items."""
