"""Losses over positives and negatives, one published loss a file."""

from tesserec.parts.objectives.apart import divergence
from tesserec.parts.objectives.bce import BCE
from tesserec.parts.objectives.bpr import BPR
from tesserec.parts.objectives.everything import cross_entropy
from tesserec.parts.objectives.gbce import GBCE
from tesserec.parts.objectives.objective import (
    Objective,
    PairScores,
    Picked,
    pair_losses,
    pair_scores,
    paired,
    picked,
    prepared,
)
from tesserec.parts.objectives.psl import PSL
from tesserec.parts.objectives.softmax import Softmax

__all__ = [
    "BCE",
    "BPR",
    "GBCE",
    "PSL",
    "Objective",
    "PairScores",
    "Picked",
    "Softmax",
    "cross_entropy",
    "divergence",
    "pair_losses",
    "pair_scores",
    "paired",
    "picked",
    "prepared",
]
