"""Models take in new items and new events without being fitted from the start."""

from tesserec.lifecycle.updating.adding import add

__all__ = ["add"]
