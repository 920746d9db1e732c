"""Raw content becomes vectors."""

from tesserec.content.encoder import (
    Encoder,
    PieceEncoder,
    Undecodable,
    Vectors,
    encoded,
    encoded_and_learned,
)
from tesserec.content.pieces import text_columns
from tesserec.content.text import TfidfSVD

__all__ = [
    "Encoder",
    "PieceEncoder",
    "TfidfSVD",
    "Undecodable",
    "Vectors",
    "encoded",
    "encoded_and_learned",
    "text_columns",
]
