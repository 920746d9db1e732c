"""A network small enough to follow by hand: one number that walks towards a target."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from tesserec.core import Losses, Recommendations, Requests
from toys.recommenders import items_of


@dataclass
class Numbers:
    """A batch of numbers."""

    value: Tensor
    row: Tensor
    weight: Tensor
    step: int = 0

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, share: slice) -> Self:
        fields = (self.value[share], self.row[share], self.weight[share])
        return type(self)(*fields, self.step)

    def to(self, device: torch.device) -> Self:
        return replace(self, value=self.value.to(device))


class Epochs:
    """The same numbers every epoch, in an order of their own, `size` at a time."""

    def __init__(self, values: list[float], size: int) -> None:
        self.values, self.size = torch.tensor(values), size

    def __len__(self) -> int:
        return math.ceil(len(self.values) / self.size)

    def __call__(self, generator: torch.Generator) -> Iterator[Numbers]:
        order = torch.randperm(len(self.values), generator=generator)
        for rows in order.split(self.size):
            yield Numbers(self.values[rows], rows, torch.ones(len(rows)))


class Walker(nn.Module):
    """Half the squared distance of one number to the batch's; the gradient is the distance."""

    def __init__(self, start: float = 0.0, spoil: Callable[[Numbers], bool] | None = None) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(start))
        self.spoil = spoil or (lambda batch: False)

    def loss(self, batch: Numbers) -> Losses:
        each = 0.5 * (self.place - batch.value).square()
        if self.spoil(batch):
            each = each * torch.nan
        return Losses(each, {"decay": 0.0 * self.place})


class Marked:
    """A recommender whose recall@1 is whatever the script says next: 1 or 0 of ten requests."""

    catalog = items_of(2)

    def __init__(self, right: int) -> None:
        self.right = right

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        items = torch.full((len(requests), k), -1)
        items[:, 0] = (requests.user >= self.right).long()  # item 0 is right for all
        return Recommendations(items, torch.zeros(len(requests), k))


def scripted(script: list[int]) -> Callable[[Any], Marked]:
    """An `answer` whose n-th recommender gets script[n] of ten requests right."""
    rest = iter(script)
    return lambda network: Marked(next(rest))
