"""The nouns: types and protocols that every other package speaks in."""

from tesserec.core.codes import Codes
from tesserec.core.data import Catalog, Clock, Dataset, Entities, Histories, Interactions, Relation
from tesserec.core.learning import Batch, Epochs, Losses
from tesserec.core.method import Answering, Explainer, Method, Neighbours, Recommender, Scorer
from tesserec.core.progress import Progress, Silent
from tesserec.core.ragged import Ragged
from tesserec.core.request import Asked, Holdout, Recommendations, Requests, Seal, Seen, Split
from tesserec.core.run import Precision, Run
from tesserec.core.spec import Spec

__all__ = [
    "Answering",
    "Asked",
    "Batch",
    "Catalog",
    "Clock",
    "Codes",
    "Dataset",
    "Entities",
    "Epochs",
    "Explainer",
    "Histories",
    "Holdout",
    "Interactions",
    "Losses",
    "Method",
    "Neighbours",
    "Precision",
    "Progress",
    "Ragged",
    "Recommendations",
    "Recommender",
    "Relation",
    "Requests",
    "Run",
    "Scorer",
    "Seal",
    "Seen",
    "Silent",
    "Spec",
    "Split",
]
