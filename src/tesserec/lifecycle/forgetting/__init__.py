"""Models forget people and items, and say how that was verified."""

from tesserec.lifecycle.forgetting.forgetter import Forgetter
from tesserec.lifecycle.forgetting.receipt import Check, Receipt
from tesserec.lifecycle.forgetting.retrained import Retrained

__all__ = ["Check", "Forgetter", "Receipt", "Retrained"]
