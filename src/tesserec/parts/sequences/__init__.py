"""What networks of ordered histories are made of."""

from tesserec.parts.sequences.drop import Drop
from tesserec.parts.sequences.nextitem import NextItem, Places, Reader, ReadsOn
from tesserec.parts.sequences.table import FedBy, ItemTable, Learned, StartedFrom
from tesserec.parts.sequences.transformer import Activation, Memories, Memory, Norm, Transformer

__all__ = [
    "Activation",
    "Drop",
    "FedBy",
    "ItemTable",
    "Learned",
    "Memories",
    "Memory",
    "NextItem",
    "Norm",
    "Places",
    "Reader",
    "ReadsOn",
    "StartedFrom",
    "Transformer",
]
