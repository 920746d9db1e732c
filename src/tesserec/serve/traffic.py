"""Traffic: which version answers whom, where more than one does."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

BITS = 52  # of a digest: as many as a float tells apart


@dataclass(frozen=True)
class Traffic:
    """Versions that answer beside the active one; without any, it answers everybody."""

    weights: Mapping[str, float] = field(default_factory=dict)  # of each version that answers
    shadow: str | None = None  # is asked too, and nobody sees what it says

    def __bool__(self) -> bool:
        return bool(self.weights) or self.shadow is not None

    def version(self, user: str) -> str:
        """The version that answers somebody; there are weights.

        Each version draws a number for each user by a hash of both, and the one whose number is
        best for its weight answers. Where a weight grows, users come to that version, and nobody
        moves between the others; a new version draws anew.
        """
        return max(self.weights, key=lambda name: -self.weights[name] / math.log(drawn(name, user)))


def drawn(name: str, user: str) -> float:
    """A number between 0 and 1, both left out, that only these two decide."""
    digest = hashlib.sha256(f"{name}\0{user}".encode()).digest()
    return ((int.from_bytes(digest[:8]) >> (64 - BITS)) + 0.5) / 2**BITS
