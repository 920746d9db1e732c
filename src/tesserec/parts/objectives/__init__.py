"""Losses over positives and negatives, one published loss a file."""

from tesserec.parts.objectives.bpr import BPR
from tesserec.parts.objectives.objective import (
    Objective,
    PairScores,
    Picked,
    pair_losses,
    pair_scores,
    pick,
    picked,
    prepared,
)
from tesserec.parts.objectives.psl import PSL
from tesserec.parts.objectives.softmax import Softmax

__all__ = [
    "BPR",
    "PSL",
    "Objective",
    "PairScores",
    "Picked",
    "Softmax",
    "pair_losses",
    "pair_scores",
    "pick",
    "picked",
    "prepared",
]
