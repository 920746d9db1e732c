"""Fusion: vectors of several modalities become one, a published way a file."""

from tesserec.parts.networks.fusion.attention import Attention
from tesserec.parts.networks.fusion.concatenation import Concatenation
from tesserec.parts.networks.fusion.fusion import Fusing, Fusion
from tesserec.parts.networks.fusion.gated import Gated
from tesserec.parts.networks.fusion.low_rank import LowRank
from tesserec.parts.networks.fusion.projection import Projection

__all__ = [
    "Attention",
    "Concatenation",
    "Fusing",
    "Fusion",
    "Gated",
    "LowRank",
    "Projection",
]
