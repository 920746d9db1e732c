"""Methods for the order in which people did things."""
