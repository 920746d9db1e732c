"""Methods that learn from the order of events."""
