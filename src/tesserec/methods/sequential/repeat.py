"""Repeat: people come back to what they chose last. The bar where repeats are to be found."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Requests, Run
from tesserec.core.errors import BadData
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm

Weight = Annotated[float, Field(ge=0)]


class Repeat(ClosedForm):
    """Rank the items of a person's own history, most recent first, and then by popularity.

    It makes sense where a protocol allows seen items. Events of a heavier kind come first, however
    old; those of weight 0 are not looked at, and kinds without a weight weigh 1.
    """

    needs: ClassVar = frozenset({"order", "repeats"})

    weights: tuple[tuple[str, Weight], ...] = ()  # (kind of event, weight)

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        kinds = data.interactions.kinds
        unknown = [kind for kind, _ in self.weights if kind not in kinds]
        if unknown:
            there = ", ".join(kinds) or "none"
            raise BadData(
                f"There are no {unknown[0]!r} events to weigh; kinds there are: {there}.",
                "Name these in `weights`, or leave it out.",
            )
        codes = [kinds.index(kind) for kind, _ in self.weights]
        network.codes.copy_(torch.tensor(codes, dtype=torch.int64))
        network.popularity.copy_(data.popularity / (1 + data.popularity.max()))

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, method: Repeat, data: Dataset) -> None:
        super().__init__()
        self.weights = [weight for _, weight in method.weights]
        self.codes: Tensor
        self.popularity: Tensor
        self.register_buffer("codes", torch.full((len(self.weights),), -1))  # of weighed kinds
        self.register_buffer("popularity", torch.zeros(len(data.catalog.items)))  # [I] below 1

    def score_all(self, requests: Requests) -> Tensor:
        """1 to 2 for an item of the history, by its best event; below 1 for others: [B, I]"""
        rows, items = requests.history.items.pairs()
        scores = self.popularity.repeat(len(requests), 1)
        cells = rows * scores.shape[1] + items
        scores.view(-1).scatter_reduce_(0, cells, self._events(requests), "amax")
        return scores

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """All of the score comes from the best event of the item asked about: [n]"""
        rows, history = requests.history.items.pairs()
        scores = torch.where(history == items[rows], self._events(requests), 0)
        best = torch.zeros(len(items)).scatter_reduce(0, rows, scores, "amax")
        return ((scores > 0) & (scores == best[rows])).float()

    def _events(self, requests: Requests) -> Tensor:
        """Score of each event by its place among its history's, row after row: [n]"""
        rows, places = requests.history.items.places()
        weights = torch.ones(len(rows))
        if requests.history.kind is not None:
            kinds = requests.history.kind[places]
            for code, weight in zip(self.codes, self.weights, strict=True):
                weights[kinds == code] = weight
        order = weights.argsort(stable=True)  # equally heavy ones stay oldest first
        order = order[rows[order].argsort(stable=True)]
        lengths = requests.history.items.lengths
        first = lengths.cumsum(0) - lengths
        place = torch.empty(len(rows))
        place[order] = (torch.arange(len(rows)) - first[rows] + 1).float()
        return torch.where(weights > 0, 1 + place / (lengths[rows] + 1), 0)
