from dataclasses import dataclass, field, replace
from typing import Self

import pytest
import torch
from torch import Tensor

from tesserec.core import Batch, Losses


@dataclass
class Three:
    """The least a batch is."""

    weight: Tensor
    row: Tensor = field(default_factory=lambda: torch.arange(3))
    step: int = 0

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, share: slice) -> Self:
        return replace(self, weight=self.weight[share], row=self.row[share])

    def to(self, device: torch.device) -> Self:
        return self


ones = Three(torch.ones(3))


def test_the_toy_batch_is_a_batch():
    assert isinstance(ones, Batch)


def test_the_total_is_the_weighted_mean_plus_the_extras():
    losses = Losses(torch.tensor([1.0, 2.0, 6.0]), {"decay": torch.tensor(0.5)})
    assert float(losses.total(ones)) == 3.5
    batch = Three(torch.tensor([2.0, 1.0, 1.0]))
    assert float(losses.total(batch)) == pytest.approx((2 * 1 + 2 + 6) / 4 + 0.5)
    halved = losses.weighted(torch.tensor([0.5, 1.0, 0.0]))
    assert float(halved.total(batch)) == pytest.approx((2 * 0.5 * 1 + 2) / 2 + 0.5)


def test_weighing_twice_multiplies():
    losses = Losses(torch.tensor([1.0, 2.0, 6.0]))
    twice = losses.weighted(torch.tensor([True, True, False])).weighted(torch.tensor([3.0, 1, 1]))
    assert twice.weights(ones).tolist() == [3.0, 1.0, 0.0]
    assert float(twice.total(ones)) == pytest.approx((3 * 1 + 2) / 4)


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
def test_what_weighs_nothing_is_not_read(bad):
    each = torch.tensor([1.0, bad, 3.0], requires_grad=True)
    total = Losses(each).weighted(torch.tensor([1.0, 0.0, 1.0])).total(ones)
    total.backward()
    assert total.item() == 2.0
    assert each.grad.tolist() == [0.5, 0.0, 0.5]


def test_when_nothing_weighs_anything_the_mean_is_nothing():
    losses = Losses(torch.tensor([1.0, 2.0, 3.0]), {"decay": torch.tensor(0.25)})
    assert float(losses.weighted(torch.zeros(3)).total(ones)) == 0.25


def test_the_sum_of_weights_may_come_from_all_devices():
    losses = Losses(torch.tensor([1.0, 2.0, 6.0]))
    assert float(losses.total(ones, torch.tensor(6.0))) == 1.5
