"""Caser: the last events as a picture, looked at by convolutions along time and along factors.

Tang and Wang, "Personalized Top-N Sequential Recommendation via Convolutional Sequence Embedding",
WSDM 2018, arXiv:1809.07426. Without the vector of a user, so that strangers are served; heights,
filters, dropout and loss are those of later papers that use it as an encoder.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import Packed, Sequences
from tesserec.parts.linear import Layer
from tesserec.parts.negatives import Everything
from tesserec.parts.objectives import Objective, Softmax
from tesserec.parts.sequences import Drop, ItemTable, Learned, NextItem
from tesserec.recommenders import EncoderRecommender
from tesserec.training import Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Some = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Caser(Learner):
    """Horizontal filters find runs of events wherever they lie, vertical ones weigh the events."""

    tiny: ClassVar = {
        "dim": 16,
        "window": 4,
        "filters": 4,
        "dropout": 0.0,
        "batches": {"size": 20},
        "schedule": {"epochs": 40, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order"})

    dim: Count = 64  # d
    window: Count = 10  # L, the events looked at; the paper has 5
    heights: tuple[Count, ...] = (2, 3, 4)  # of horizontal filters; the paper has 1 to L
    filters: Count = 16  # of each height, n
    vertical: Some = 1  # filters over all L events, n~; the paper has 4
    dropout: Share = 0.1  # of what the filters found; the paper has 0.5
    items: ItemTable = Learned()
    apart: bool = True  # answers have a table of their own
    bias: bool = True  # of each item
    objective: Objective = Softmax(temperature=1.0, cosine=False)  # the paper: BCE, 3 negatives
    batches: Sequences = Sequences(size=128, length=50, stride=50, sampler=Everything())
    schedule: Schedule = Schedule(epochs=200, rate=1e-3, patience=10)

    @model_validator(mode="after")
    def _check_filters(self) -> Self:
        if not self.heights and not self.vertical:
            raise BadSpec("Caser has no filters.", "Give heights, or vertical = 1 or more.")
        if max(self.heights, default=0) > self.window:
            raise BadSpec(
                f"Filters of heights {self.heights} do not fit into {self.window} events.",
                "Make the window longer, or the heights smaller.",
            )
        return self

    def network(self, data: Dataset) -> nn.Module:
        return NextItem(
            data,
            dim=self.dim,
            longest=self.window,
            reader=Windows(self),
            objective=self.objective,
            items=self.items,
            dropout=0.0,
            apart=self.apart,
            bias=self.bias,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)


class Windows(nn.Module):
    """The state after an event is made of it and the L - 1 before it; [T, D] -> [T, D]."""

    def __init__(self, method: Caser) -> None:
        super().__init__()
        dim, self.window = method.dim, method.window
        filters = [nn.Conv1d(dim, method.filters, height) for height in method.heights]
        self.horizontal: Iterable[Any] = nn.ModuleList(filters)
        self.vertical = nn.Parameter(torch.empty(method.window, method.vertical))
        for weight in (self.vertical, *(one.weight for one in filters)):
            nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)
        self.drop = Drop(method.dropout)
        found = len(method.heights) * method.filters + method.vertical * dim
        self.dense = Layer(found, dim)

    def forward(
        self, values: Tensor, packed: Packed, memories: list[Tensor] | None = None
    ) -> Tensor:
        """The state after each event: [T, D] -> [T, D]. Fills `memories` if there is a list."""
        pictures = self._pictures(values, packed)
        if memories is not None:
            memories.append(pictures[packed.ends - 1, 1:])
        return self._states(pictures)

    def ends(self, values: Tensor, packed: Packed) -> Tensor:
        """The state after the last event of each sequence alone: [T, D] -> [S, D]"""
        return self._states(self._pictures(values, packed)[packed.ends - 1])

    def further(self, values: Tensor, memories: list[Tensor]) -> Tensor:
        """One event more for each sequence, after what the memories hold: [S, D] -> [S, D]

        The memories then hold it, too.
        """
        pictures = torch.cat([memories[0], values[:, None]], 1)
        memories[0] = pictures[:, 1:]
        return self._states(pictures)

    def _pictures(self, values: Tensor, packed: Packed) -> Tensor:
        """The last L events up to each, the latest at the end, zeros before the first: [T, L, D]"""
        back = reversed(range(self.window))
        return torch.stack([packed.earlier(values, steps) for steps in back], 1)

    def _states(self, pictures: Tensor) -> Tensor:
        """[n, L, D] -> [n, D] (eq. 5 to 10)"""
        upright = pictures.transpose(1, 2)  # [n, D, L]
        found = [functional.relu(filters(upright)).amax(2) for filters in self.horizontal]
        weighed = (upright @ self.vertical).flatten(1)  # [n, D * n~]
        return functional.relu(self.dense(self.drop(torch.cat([*found, weighed], 1))))
