"""Semantic ids: items as short tuples of tokens, and the tree these make."""

from tesserec.parts.semantic_ids.collisions import Collisions, ExtraLevel, PopularityLevel
from tesserec.parts.semantic_ids.quantizer import (
    Codebook,
    Quantized,
    Quantizer,
    VectorCodebook,
    VectorQuantizer,
    named,
)
from tesserec.parts.semantic_ids.trie import Trie

__all__ = [
    "Codebook",
    "Collisions",
    "ExtraLevel",
    "PopularityLevel",
    "Quantized",
    "Quantizer",
    "Trie",
    "VectorCodebook",
    "VectorQuantizer",
    "named",
]
