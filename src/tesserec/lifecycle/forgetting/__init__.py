"""Models forget people and items, and say how that was verified."""

from tesserec.lifecycle.forgetting.extra import CED, NED, RED, Extra
from tesserec.lifecycle.forgetting.forgetter import Forgetter
from tesserec.lifecycle.forgetting.gradient import Gradient
from tesserec.lifecycle.forgetting.receipt import Check, Receipt
from tesserec.lifecycle.forgetting.retrained import Retrained
from tesserec.lifecycle.forgetting.shards import Shards

__all__ = [
    "CED",
    "NED",
    "RED",
    "Check",
    "Extra",
    "Forgetter",
    "Gradient",
    "Receipt",
    "Retrained",
    "Shards",
]
