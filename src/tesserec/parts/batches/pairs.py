"""Pairs: a step sees (user, item) events, each with negatives drawn for it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Dataset
from tesserec.parts.negatives import Draw, Drawn, Negatives, Uniform
from tesserec.training import Batches


@dataclass(eq=False)
class PairBatch:
    """E chosen items with who chose them, and what they did not choose."""

    row: Tensor  # [E] the event
    user: Tensor  # [E]
    positive: Tensor  # [E]
    negative: Drawn | None  # None where none were asked for
    weight: Tensor  # [E]
    step: int = 0

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, share: slice) -> "PairBatch":
        return replace(
            self,
            row=self.row[share],
            user=self.user[share],
            positive=self.positive[share],
            negative=None if self.negative is None else self.negative[share],
            weight=self.weight[share],
        )

    def as_nodes(self, users: int, nodes: int) -> tuple[Tensor | None, "PairBatch"]:
        """The distinct graph nodes it speaks of [R], and itself with their places for rows.

        Node u is user u, node `users` + i is item i. Where it speaks of a large part of the graph
        the first is None and places are nodes.
        """
        positive = self.positive + users
        drawn = self.negative
        if drawn is not None and drawn.items is None:
            others = torch.arange(users, nodes, device=positive.device)
            drawn = replace(drawn, items=others)
            return None, replace(self, positive=positive, negative=drawn)
        others = positive[:0] if drawn is None or drawn.items is None else drawn.items + users
        spoken_of = torch.cat([self.user, positive, others.reshape(-1)])
        if len(spoken_of) > nodes // 2:
            rows, places = None, spoken_of
        else:
            rows, places = spoken_of.unique(return_inverse=True)
        user, positive, others_ = places.split([len(self), len(self), others.numel()])
        if drawn is not None:
            drawn = replace(drawn, items=others_.view(others.shape))
        return rows, replace(self, user=user, positive=positive, negative=drawn)

    def to(self, device: torch.device) -> "PairBatch":
        """The same batch with its tensors on a device."""
        if device == self.row.device:
            return self
        return replace(
            self,
            row=self.row.to(device),
            user=self.user.to(device),
            positive=self.positive.to(device),
            negative=None if self.negative is None else self.negative.to(device),
            weight=self.weight.to(device),
        )


class Pairs(Batches):
    """Every pair once per epoch, in a new order each time."""

    size: Annotated[int, Field(ge=1)] = 2048
    negatives: Annotated[int, Field(ge=0)] = 1  # per event; 0: none are drawn
    sampler: Negatives = Uniform()
    distinct: bool = True  # what happened twice between two is one example

    def __call__(self, data: Dataset) -> "PairEpochs":
        return PairEpochs(self, data)

    def order(self, data: "PairEpochs", generator: torch.Generator) -> Tensor:
        """The places in `data.rows` of one epoch's pairs: [n]"""
        return torch.randperm(len(data.rows), generator=generator)


class UserPairs(Pairs):
    """As many draws as pairs per epoch: a user drawn evenly, then one of their pairs.

    The sampler of the LightGCN authors' code; quiet people count as much as busy ones.
    """

    def order(self, data: "PairEpochs", generator: torch.Generator) -> Tensor:
        lengths = torch.bincount(data.users)
        known = torch.nonzero(lengths)[:, 0]
        by_user = torch.argsort(data.users, stable=True)
        first = (lengths.cumsum(0) - lengths)[known]
        who = torch.randint(max(len(known), 1), (len(data.users),), generator=generator)
        share = torch.rand(len(who), generator=generator, dtype=torch.float64)
        return by_user[first[who] + (share * lengths[known][who]).long()]


class PairEpochs:
    """Pairs over some data."""

    def __init__(self, batches: Pairs, data: Dataset) -> None:
        self.batches = batches
        self.rows = _first_rows(data) if batches.distinct else torch.arange(len(data.interactions))
        self.users = data.interactions.users[self.rows]
        self.items = data.interactions.items[self.rows]
        self.draw: Draw | None = batches.sampler.over(data) if batches.negatives else None

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batches.size)

    def __call__(self, generator: torch.Generator) -> Iterator[PairBatch]:
        order = self.batches.order(self, generator)
        for start in range(0, len(order), self.batches.size):
            places = order[start : start + self.batches.size]
            users, items = self.users[places], self.items[places]
            drawn = None
            if self.draw is not None:
                drawn = self.draw(users, items, self.batches.negatives, generator)
            yield PairBatch(self.rows[places], users, items, drawn, torch.ones(len(places)))


def _first_rows(data: Dataset) -> Tensor:
    """The event with which each distinct (user, item) pair began."""
    pairs = data.interactions.frame.select("user", "item").with_row_index("row")
    first = pairs.unique(["user", "item"], keep="first", maintain_order=True)["row"]
    return torch.from_numpy(first.cast(pl.Int64).to_numpy().copy())
