"""What one training step sees, and what a network says about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Batch(Protocol):
    """A share of the examples of an epoch. An example is one target: a pair, a position."""

    row: Tensor  # [E] which event it is
    weight: Tensor  # [E] how much it counts
    step: int  # steps taken before this one

    def __len__(self) -> int: ...
    def __getitem__(self, share: slice) -> Self: ...
    def to(self, device: torch.device) -> Self: ...


class Epochs(Protocol):
    """Batches set up once for some data. Each call is one pass, drawn with the given generator."""

    def __len__(self) -> int: ...  # batches in a pass
    def __call__(self, generator: torch.Generator) -> Iterator[Batch]: ...


@dataclass(frozen=True, eq=False)
class Losses:
    """One loss per example, not yet averaged, and what belongs to no example."""

    each: Tensor  # [E]
    extra: Mapping[str, Tensor] = field(default_factory=dict)  # added as they are
    weight: Tensor | None = None  # [E] multiplies batch.weight; where it is 0, `each` is not read
    noted: Mapping[str, Tensor] = field(default_factory=dict)  # for the log, and not for the loss

    def weighted(self, weight: Tensor) -> "Losses":
        """The same losses, each counting `weight` times what it did: [E]"""
        return replace(self, weight=weight.float() if self.weight is None else self.weight * weight)

    def weights(self, batch: Batch) -> Tensor:
        """How much each example counts in the end: [E]"""
        return batch.weight if self.weight is None else batch.weight * self.weight

    def total(self, batch: Batch, whole: Tensor | None = None) -> Tensor:
        """The weighted mean plus the extras; `whole` is the sum of weights over all devices."""
        weights = self.weights(batch)
        # 0 * inf is NaN, so what does not count is not read.
        each = torch.where(weights != 0, self.each, torch.zeros_like(self.each))
        mean = (each * weights).sum() / (weights.sum() if whole is None else whole).clamp(min=1e-12)
        return mean + sum(self.extra.values(), torch.zeros_like(mean))
