"""Raw content becomes vectors."""

from tesserec.content.encoder import Encoder, encoded
from tesserec.content.text import TfidfSVD, text_columns

__all__ = ["Encoder", "TfidfSVD", "encoded", "text_columns"]
