"""Merging: what a place in one recommender's list is worth beside the places in other lists."""

from abc import abstractmethod

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Recommendations, Spec
from tesserec.recommenders.rerank.lists import unit_range


class Merging(Spec):
    """Lists of different recommenders become points that may be added."""

    @abstractmethod
    def __call__(self, found: Recommendations) -> Tensor:
        """The points of each answer, above or at 0, and 0 beside -1: [B, C]"""


class ReciprocalRanks(Merging):
    """One over the rank: scores, whose scales differ, are not looked at.

    Cormack, Clarke, Büttcher: Reciprocal Rank Fusion outperforms Condorcet and individual rank
    learning methods, SIGIR 2009.
    """

    constant: float = Field(default=60.0, ge=0)  # k: how little the first places stand out

    def __call__(self, found: Recommendations) -> Tensor:
        ranks = torch.arange(1, found.items.shape[1] + 1)
        return torch.where(found.items >= 0, 1 / (self.constant + ranks), 0.0)


class NormalisedScores(Merging):
    """Scores, the best of each list 1 and the worst 0; a list of equal scores gives 1 to all.

    Lee: Analyses of multiple evidence combination, SIGIR 1997.
    """

    def __call__(self, found: Recommendations) -> Tensor:
        return unit_range(found)
