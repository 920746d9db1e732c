"""MMR: each item is as good, and as unlike those before it, as can be.

Carbonell, Goldstein: The use of MMR, diversity-based reranking for reordering documents and
producing summaries, SIGIR 1998.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Recommendations, Requests
from tesserec.recommenders.rerank.lists import Choice, rows_of, unit_range
from tesserec.recommenders.rerank.reranker import Reranker


class MMR(Reranker):
    """Maximal marginal relevance: lambda * relevance - (1 - lambda) * nearness to the nearest.

    Relevance is the score, 0 for the worst and 1 for the best of what was found: the paper has
    both on one scale. Nearness is the cosine, or 0 where it is below: what is opposite is no better
    than what is unrelated. The new scores are these sums, which descend.
    """

    relevance: float = Field(default=0.7, ge=0, le=1)  # lambda; 1 is the list as it was
    compares: ClassVar[bool] = True

    def __call__(
        self, requests: Requests, found: Recommendations, k: int, unit: Tensor | None
    ) -> Recommendations:
        assert unit is not None
        vectors = rows_of(found, unit)  # [B, C, D]
        good = self.relevance * unit_range(found)  # [B, C]
        nearest = torch.zeros_like(good)  # nearness to what is chosen
        rows = torch.arange(len(good))
        choice = Choice(found)
        for _ in range(min(k, good.shape[1])):
            place = choice.take(good - (1 - self.relevance) * nearest)
            nearness = (vectors @ vectors[rows, place][:, :, None])[:, :, 0]
            nearest = torch.maximum(nearest, nearness)
        return choice.answer(k)
