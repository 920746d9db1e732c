"""Markov: what came next after the last event, for others.

A first-order Markov chain over items (MC in Ludewig and Jannach, UMUAI 2018, arXiv:1803.09587).
With `steps` above 1 it is their sequential rules (SR): an item also leads to those that came a few
events later, each counting one over its distance.
"""

from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Ragged, Requests, Run
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm

Count = Annotated[int, Field(ge=1)]


class Markov(ClosedForm):
    """Recommend what most often came after the last thing a person chose."""

    needs: ClassVar = frozenset({"order"})

    steps: Count = 1  # how far apart two events may be; the authors' SR: 10
    successors: Count | None = 500  # kept per item; the authors' code: 20; None: all
    smoothing: Annotated[float, Field(gt=0)] = 1.0  # made-up transitions per item, by popularity

    def network(self, data: Dataset) -> nn.Module:
        return Network(data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        first, after, weight = transitions(data.histories.items, network.items, self.steps)
        network.fill(first, after, weight, data.popularity, self)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(nn.Module):
    """The chance that j follows i: (weight(i, j) + s share(j)) / (weight(i) + s), s: smoothing.

    Where weights are counts, and s is at most 1, popularity orders equals and nothing else.
    """

    def __init__(self, data: Dataset) -> None:
        super().__init__()
        self.items = len(data.catalog.items)
        self.share: Tensor
        self.back: Tensor
        self.ends: Tensor
        self.after: Tensor
        self.chance: Tensor
        self.register_buffer("share", torch.zeros(self.items))  # [I] of all training events
        self.register_buffer("back", torch.ones(self.items))  # [I] s / (weight(i) + s)
        self.register_buffer("ends", torch.zeros(self.items, dtype=torch.int64))  # [I]
        self.register_buffer("after", torch.zeros(0, dtype=torch.int64))  # [n] the successors
        self.register_buffer("chance", torch.zeros(0))  # [n] weight(i, j) / (weight(i) + s)

    def fill(
        self, first: Tensor, after: Tensor, weight: Tensor, popularity: Tensor, method: Markov
    ) -> None:
        """Take transitions, those of one item together and its strongest first: [n], [n], [n]"""
        out = torch.bincount(first, weight, minlength=self.items) + method.smoothing
        lists = Ragged.packed(after, torch.bincount(first, minlength=self.items))
        if method.successors is not None:
            kept = torch.arange(len(first)) - lists.starts[first] < method.successors
            first, after, weight = first[kept], after[kept], weight[kept]
        self.share.copy_(popularity / popularity.sum())
        self.back.copy_(method.smoothing / out)
        self.ends.copy_(torch.bincount(first, minlength=self.items).cumsum(0))
        self.after, self.chance = after, (weight / out[first]).float()

    def score_all(self, requests: Requests) -> Tensor:
        """[B, I]"""
        return self.follows(_last(requests))

    def follows(self, last: Tensor) -> Tensor:
        """The chance of each item after given ones, after -1 its popularity: [B] -> [B, I]"""
        back = torch.where(last < 0, 1, self.back[last])
        scores = back[:, None] * self.share
        rows, places = self._successors(last).places()
        scores[rows, self.after[places]] += self.chance[places]  # no pair is there twice
        return scores

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """All that transitions add comes from the last event: [n]"""
        rows, places = self._successors(_last(requests)).places()
        added = self.chance[places] * (self.after[places] == items[rows])
        total = torch.zeros(len(items)).index_add(0, rows, added)
        history = requests.history.items
        rows, places = history.places()
        return total[rows] * (places == history.ends[rows] - 1)

    def likeness(self, items: Tensor) -> Tensor:
        """An item is as near as it often comes next: [n, I]"""
        return self.follows(items)

    def _successors(self, items: Tensor) -> Ragged:
        """Where the successors of given items lie; -1 has none."""
        ends = self.ends[items]
        starts = torch.where(items > 0, self.ends[items - 1], 0)
        return Ragged(self.after, starts, torch.where(items < 0, starts, ends))


def _last(requests: Requests) -> Tensor:
    """The last item of each history, -1 where there is none: [B]"""
    rows = requests.history.items
    last = torch.full((len(rows),), -1)
    there = rows.lengths > 0
    last[there] = rows.values[rows.ends[there] - 1]
    return last


def transitions(histories: Ragged, items: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which item came after which, and the sum of 1 / distance: [n], [n], [n] float64

    Sorted by the first item, then the strongest first; equals by the row of the second.
    """
    rows, chosen = (one.numpy() for one in histories.pairs())
    keys, weights = [], []
    for distance in range(1, min(steps, max(len(rows) - 1, 1)) + 1):
        same = rows[distance:] == rows[:-distance]
        keys.append((chosen[:-distance] * items + chosen[distance:])[same])
        weights.append(np.full(len(keys[-1]), 1 / distance))
    pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
    weight = np.bincount(place, np.concatenate(weights), minlength=len(pairs))
    first, after = pairs // items, pairs % items
    order = np.lexsort((after, -weight, first))
    found = (torch.from_numpy(one[order]) for one in (first, after, weight))
    return tuple(found)  # type: ignore[return-value]
