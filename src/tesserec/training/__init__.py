"""The one loop, and the methods that use it."""

from tesserec.training.closed_form import ClosedForm
from tesserec.training.learner import Around, Batches, Learner, Strategy
from tesserec.training.schedule import (
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    Linear,
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
    "Linear",
    "Optimizer",
    "Schedule",
    "Shape",
    "Strategy",
    "train",
]
