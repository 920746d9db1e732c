"""ItemKNN: what was chosen together belongs together.

Item-based collaborative filtering with cosine similarity over the users of two items (Sarwar et
al., WWW 2001; Deshpande and Karypis, TOIS 2004). Each item keeps its nearest `neighbours`; a
history scores an item by the sum of the similarities that lead from its items to it.
"""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Requests, Run
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
        everybody = torch.arange(len(near))
        network.average.copy_(
            network.spread(everybody, everybody * 0, data.popularity.float(), 1)[0]
        )

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
        rows, history = (one.to(self.near.device) for one in requests.history.items.pairs())
        scores = self.spread(
            history, rows, torch.ones(len(rows), device=rows.device), len(requests)
        )
        empty = (requests.history.items.lengths == 0).to(scores.device)
        return torch.where(empty[:, None], self.average, scores)

    def spread(self, items: Tensor, rows: Tensor, weight: Tensor, count: int) -> Tensor:
        """Add `weight` [n] times the similarities of each of `items` [n] to its row: [count, I]"""
        near, similarity = self.near[items], self.similarity[items]  # [n, K]
        place = rows[:, None] * len(self.near) + near.clamp(min=0)
        total = similarity.new_zeros(count * len(self.near))
        total.index_add_(0, place.reshape(-1), (similarity * weight[:, None]).reshape(-1))
        return total.view(count, len(self.near))

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """What each history item adds to the score of one item per request: [n]"""
        rows, history = requests.history.items.pairs()
        return (self.similarity[history] * (self.near[history] == items[rows][:, None])).sum(1)

    def likeness(self, items: Tensor) -> Tensor:
        """Similarity of given items to all: [n, I]"""
        rows = torch.arange(len(items))
        return self.spread(items, rows, torch.ones(len(items)), len(items))
