"""Methods that learn from the order in which things were chosen."""
