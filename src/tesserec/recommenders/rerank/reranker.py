"""Reranker: a change of the final list."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from tesserec.core import Recommendations, Requests, Spec


class Reranker(Spec):
    """Chooses k of the answers found, and their order; it never adds an item.

    Scores of the new list are descending, as in any answer, unless the reranker says otherwise.
    """

    compares: ClassVar[bool] = False  # whether it looks at the vectors of items

    @abstractmethod
    def __call__(
        self, requests: Requests, found: Recommendations, k: int, unit: Tensor | None
    ) -> Recommendations:
        """[B, C] -> [B, k]; `unit` are vectors of unit length [I, D] for one that compares."""
