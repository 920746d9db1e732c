"""The one loop, and the methods that use it."""

from tesserec.training.closed_form import ClosedForm
from tesserec.training.learner import Around, Batches, Learner, Strategy
from tesserec.training.schedule import (
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    Optimizer,
    Schedule,
    Shape,
)
from tesserec.training.train import train

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Around",
    "Batches",
    "ClosedForm",
    "Constant",
    "Cosine",
    "Learner",
    "Optimizer",
    "Schedule",
    "Shape",
    "Strategy",
    "train",
]
