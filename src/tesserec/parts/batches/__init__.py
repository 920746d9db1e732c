"""What one training step sees, one kind a file."""

from tesserec.parts.batches.cloze import Cloze, ClozeEpochs
from tesserec.parts.batches.packed import Group, Packed
from tesserec.parts.batches.pairs import PairBatch, Pairs, UserPairs
from tesserec.parts.batches.rows import RowBatch, RowEpochs, Rows
from tesserec.parts.batches.sequences import Prefixes, SequenceBatch, SequenceEpochs, Sequences
from tesserec.parts.batches.sets import Sets, some

__all__ = [
    "Cloze",
    "ClozeEpochs",
    "Group",
    "Packed",
    "PairBatch",
    "Pairs",
    "Prefixes",
    "RowBatch",
    "RowEpochs",
    "Rows",
    "SequenceBatch",
    "SequenceEpochs",
    "Sequences",
    "Sets",
    "UserPairs",
    "some",
]
