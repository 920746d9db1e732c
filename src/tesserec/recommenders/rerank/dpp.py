"""DPP: the likeliest set of a determinantal point process, found greedily.

Chen, Zhang, Zhou: Fast greedy MAP inference for determinantal point process to improve
recommendation diversity, NeurIPS 2018, arXiv:1709.05135.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Recommendations, Requests
from tesserec.recommenders.rerank.lists import Choice, rows_of, unit_range
from tesserec.recommenders.rerank.reranker import Reranker

LEAST = 1e-6  # what is left of an item below this is what others have said already


class DPP(Reranker):
    """Maximises theta * (sum of relevance) + (1 - theta) * log det S over the items chosen.

    Relevance is the score, from 0 for the worst to 1 for the best of what was found; S is the
    likeness (1 + cosine) / 2, as in the paper. An item's new score is what it adds, which
    descends. Where vectors have no more directions, the rest adds a constant and keeps its order.
    """

    relevance: float = Field(default=0.7, ge=0, le=1)  # theta; 1 is the list as it was
    compares: ClassVar[bool] = True

    def __call__(
        self, requests: Requests, found: Recommendations, k: int, unit: Tensor | None
    ) -> Recommendations:
        assert unit is not None
        vectors = rows_of(found, unit)  # [B, C, D]
        good = self.relevance * unit_range(found)  # [B, C]
        width = min(k, good.shape[1])
        left = torch.ones_like(good)  # d^2 of eq. 2: the diagonal of S less what is explained
        parts = good.new_zeros(*good.shape, width)  # c: rows of the Cholesky factor
        rows = torch.arange(len(good))
        choice = Choice(found)
        for count in range(width):
            place = choice.take(good + (1 - self.relevance) * left.clamp(min=LEAST).log())
            # The kernel's row of the item just chosen, less what the earlier ones explain.
            alike = (1 + (vectors @ vectors[rows, place][:, :, None])[:, :, 0]) / 2
            explained = (parts @ parts[rows, place][:, :, None])[:, :, 0]
            own = left[rows, place][:, None]
            new = torch.where(own > LEAST, (alike - explained) / own.clamp(min=LEAST).sqrt(), 0.0)
            parts[:, :, count] = new
            left = left - new.square()
        return choice.answer(k)
