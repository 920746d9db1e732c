"""What networks that write semantic ids are made of."""

from tesserec.parts.generation.generator import Generator, Reader
from tesserec.parts.generation.modalities import ModalityReader
from tesserec.parts.generation.places import ItemsAndCodes
from tesserec.parts.generation.postnorm import PostDecoder
from tesserec.parts.generation.reading import CodeReader
from tesserec.parts.generation.setreader import SetReader
from tesserec.parts.generation.state import State
from tesserec.parts.generation.t5 import Decoder, Encoder, Relative

__all__ = [
    "CodeReader",
    "Decoder",
    "Encoder",
    "Generator",
    "ItemsAndCodes",
    "ModalityReader",
    "PostDecoder",
    "Reader",
    "Relative",
    "SetReader",
    "State",
]
