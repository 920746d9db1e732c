"""Aggregate: one answer of several models' states, each from a space of its own.

Attention is that of Xin et al., WSDM 2024, arXiv:2312.14447; the mean of scores is SISA's.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Losses, Run, Spec
from tesserec.parts.objectives import cross_entropy
from tesserec.training import Schedule
from tesserec.training.train import train

Count = Annotated[int, Field(ge=1)]


class Aggregate(Spec):
    """How the models of shards answer together.

    What it makes is a module with `query(states [B, S, D], centres [S, D], learned [S]) -> [B, Q]`
    and `vectors(tables) -> [I, Q]`, of the items' tables [I, D] of each shard.
    """

    @abstractmethod
    def over(self, shards: int, dim: int, items: int) -> nn.Module:
        """A new module."""

    @abstractmethod
    def learn(self, module: nn.Module, examples: "Examples", run: Run) -> None:
        """Learn it from what the models say of histories whose next item is known."""


class Averaged(Aggregate):
    """The mean of the scores; nothing is learned."""

    def over(self, shards: int, dim: int, items: int) -> nn.Module:
        return Mean()

    def learn(self, module: nn.Module, examples: "Examples", run: Run) -> None:
        """There is nothing to learn."""


class Attended(Aggregate):
    """Each state is put into one space and weighed by how it fits its shard's centre."""

    last: Count | None = 1  # targets of each person, the last ones; None: all
    size: Count = 256  # examples per step
    schedule: Schedule = Schedule(epochs=10, rate=1e-3, patience=None)

    def over(self, shards: int, dim: int, items: int) -> nn.Module:
        return Attending(shards, dim, items)

    def learn(self, module: nn.Module, examples: "Examples", run: Run) -> None:
        epochs = Shuffled(examples(self.last), self.size)
        run, key = replace(run, valid=None), self.key(str(run.seed), run.name)
        train(module, epochs, self.schedule, run, key=key, title="aggregation")


class Mean(nn.Module):
    """States side by side: their products with tables side by side are the sum of scores."""

    def query(self, states: Tensor, centres: Tensor, learned: Tensor) -> Tensor:
        """[B, S, D] -> [B, S * D]"""
        share = learned.to(states.dtype) / learned.sum().clamp(min=1)
        return (states * share[:, None]).flatten(1)

    def vectors(self, tables: Sequence[Tensor]) -> Tensor:
        """[I, S * D]"""
        return torch.cat(list(tables), 1)


class Attending(nn.Module):
    """h'_s = h_s W_s + b_s, weighed by softmax_s(v ReLU(U (h'_s * c'_s) + b)), against W_out."""

    def __init__(self, shards: int, dim: int, items: int) -> None:
        super().__init__()
        half = max(dim // 2, 1)
        self.turn = nn.Parameter(torch.empty(shards, dim, dim))  # W_s
        self.move = nn.Parameter(torch.zeros(shards, dim))  # b_s
        self.fit = nn.Parameter(torch.empty(dim, half))  # U
        self.fit_bias = nn.Parameter(torch.zeros(half))  # b
        self.worth = nn.Parameter(torch.full((half,), 0.01))  # v
        self.out = nn.Linear(dim, items)
        nn.init.normal_(self.turn, 0, dim**-0.5)  # Glorot's, of square matrices
        deviation = math.sqrt(2 / (dim + half))
        nn.init.trunc_normal_(self.fit, 0, deviation, -2 * deviation, 2 * deviation)

    def query(self, states: Tensor, centres: Tensor, learned: Tensor) -> Tensor:
        """[B, S, D] -> [B, D + 1]"""
        turned = torch.einsum("bsd,sde->bse", states, self.turn) + self.move
        centre = torch.einsum("sd,sde->se", centres, self.turn) + self.move
        fits = torch.relu((turned * centre) @ self.fit + self.fit_bias) @ self.worth  # [B, S]
        # A shard in which nobody has two events taught its model nothing.
        share = fits.masked_fill(~learned, -torch.inf).softmax(1)
        told = (share[:, :, None] * turned).sum(1)
        return functional.pad(told, (0, 1), value=1.0)

    def vectors(self, tables: Sequence[Tensor]) -> Tensor:
        """With the bias of each: [I, D + 1]"""
        return torch.cat([self.out.weight, self.out.bias[:, None]], 1)

    def loss(self, batch: "States") -> Losses:
        """[E]"""
        queries = self.query(batch.states, batch.centres, batch.learned)
        return Losses(cross_entropy(queries, self.vectors([]), batch.positive))


@dataclass(eq=False)
class States:
    """E histories as all models see them, and what came next. The models are not learned here."""

    states: Tensor  # [E, S, D]
    centres: Tensor  # [S, D]
    learned: Tensor  # [S] bool
    positive: Tensor  # [E]
    row: Tensor  # [E]
    weight: Tensor  # [E]
    step: int = 0

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, share: slice | Tensor) -> Self:
        return replace(
            self,
            states=self.states[share],
            positive=self.positive[share],
            row=self.row[share],
            weight=self.weight[share],
        )

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        names = ("states", "centres", "learned", "positive", "row", "weight")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


Examples = Callable[[int | None], States]
"""The last so many targets of each person, or all."""


class Shuffled:
    """All examples in an order drawn anew for each pass."""

    def __init__(self, examples: States, size: int) -> None:
        self.examples, self.size = examples, size

    def __len__(self) -> int:
        return math.ceil(len(self.examples) / self.size)

    def __call__(self, generator: torch.Generator) -> Iterator[States]:
        order = torch.randperm(len(self.examples), generator=generator)
        for rows in order.split(self.size):
            yield self.examples[rows]
