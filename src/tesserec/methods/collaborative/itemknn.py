"""ItemKNN: what was chosen together belongs together.

Item-based collaborative filtering with cosine similarity over the users of two items (Sarwar et
al., WWW 2001; Deshpande and Karypis, TOIS 2004). Each item keeps its nearest `neighbours`; a
history scores an item by the sum of the similarities that lead from its items to it.
"""

from typing import Annotated, ClassVar

import numba
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Ragged, Requests, Run
from tesserec.core.parallel import balanced, in_parallel
from tesserec.parts.graphs import cosine_neighbours
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm


class ItemKNN(ClosedForm):
    """Recommend the neighbours of what a person chose."""

    tiny: ClassVar = {"neighbours": 4}

    neighbours: Annotated[int, Field(ge=1)] = 50
    shrink: Annotated[float, Field(ge=0)] = 0.0  # added to the denominator; lowers chance meetings

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        near, similarity = cosine_neighbours(data, self.neighbours, self.shrink)
        network.near.copy_(near)
        network.similarity.copy_(similarity)
        everybody = similarity * data.popularity[:, None]  # 0 beside -1
        network.average.index_add_(0, near.clamp(min=0).reshape(-1), everybody.reshape(-1))

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, method: ItemKNN, data: Dataset) -> None:
        super().__init__()
        items = len(data.catalog.items)
        self.near: Tensor
        self.similarity: Tensor
        self.average: Tensor
        self.register_buffer("near", torch.full((items, method.neighbours), -1))  # [I, K]
        self.register_buffer("similarity", torch.zeros(items, method.neighbours))  # [I, K]
        self.register_buffer("average", torch.zeros(items))  # [I] scores for an empty history

    def score_all(self, requests: Requests) -> Tensor:
        """Sum of similarities from the history's items: [B, I]"""
        history = requests.history.items
        scores = self.sums(history)
        scores[history.lengths == 0] = self.average
        return scores

    def sums(self, rows: Ragged) -> Tensor:
        """Similarities of all items to those of each row, added up: [B, I]"""
        scores = torch.zeros(len(rows), len(self.near))
        arrays = (rows.values, rows.starts, rows.ends, self.near, self.similarity, scores)
        bounds = balanced(rows.lengths.add(1).cumsum(0).numpy(), width=self.near.shape[1])
        in_parallel(_add_up, bounds, *(one.numpy() for one in arrays))
        return scores

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """What each history item adds to the score of one item per request: [n]"""
        rows, history = requests.history.items.pairs()
        return (self.similarity[history] * (self.near[history] == items[rows][:, None])).sum(1)

    def likeness(self, items: Tensor) -> Tensor:
        """Similarity of given items to all: [n, I]"""
        return self.sums(Ragged.packed(items, torch.ones_like(items)))


@numba.njit(nogil=True, cache=True)
def _add_up(items, starts, ends, near, similarity, scores, first, last):  # type: ignore[no-untyped-def]
    for r in range(first, last):
        for e in range(starts[r], ends[r]):
            item = items[e]
            for n in range(near.shape[1]):
                if near[item, n] < 0:
                    break
                scores[r, near[item, n]] += similarity[item, n]
