<<<<<<< HEAD
"""Methods that learn from the order in which things were chosen."""
=======
"""Methods for the order in which people did things."""
>>>>>>> wt-simple
