import pytest
import torch

from tesserec.core import parallel
from tesserec.parts.sequences import Drop


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_becomes_zero_and_the_mean_stays(share):
    torch.manual_seed(0)
    dropped = Drop(share)(torch.ones(1000, 201))
    assert abs((dropped == 0).float().mean() - share) < 0.005
    kept = dropped[dropped != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - share)), rtol=1e-3)
    assert abs(dropped.mean() - 1) < 0.03


def test_places_are_dropped_independently():
    torch.manual_seed(1)
    kept = (Drop(0.5)(torch.ones(4000, 16)) != 0).double()
    correlation = torch.corrcoef(kept.T) - torch.eye(16)
    assert correlation.abs().max() < 0.08
    assert abs((kept[1:] * kept[:-1]).mean() - 0.25) < 0.01


def test_the_gradient_passes_where_values_did():
    torch.manual_seed(2)
    values = torch.randn(37, 5, requires_grad=True)
    dropped = Drop(0.3)(values)
    dropped.sum().backward()
    assert torch.equal(values.grad == 0, dropped == 0)
    assert torch.allclose(values.grad * values, dropped)


def test_it_follows_the_global_generator_and_no_number_of_threads(monkeypatch):
    values = torch.ones(500, 101)
    torch.manual_seed(5)
    first, second = Drop(0.5)(values), Drop(0.5)(values)
    assert not torch.equal(first, second)
    monkeypatch.setattr(parallel.torch, "get_num_threads", lambda: 1)
    torch.manual_seed(5)
    assert torch.equal(Drop(0.5)(values), first)


def test_without_training_or_share_nothing_happens():
    values = torch.randn(7, 3)
    assert Drop(0.5).eval()(values) is values
    assert Drop(0.0)(values) is values


def test_other_types_are_dropped_as_well():
    torch.manual_seed(0)
    dropped = Drop(0.5)(torch.ones(1000, dtype=torch.float64))
    assert set(dropped.tolist()) == {0.0, 2.0}
