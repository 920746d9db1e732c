"""The divergence of several distributions over a catalogue, against pairs in a loop."""

import pytest
import torch
from torch import Tensor

from tesserec.parts.objectives import divergence


def slow(queries: Tensor, items: Tensor) -> Tensor:
    """Pair by pair, the other of each pair held fixed."""
    states = queries.shape[1]
    each = []
    for example in queries:
        total = torch.zeros((), dtype=queries.dtype)
        for i in range(states):
            for j in range(states):
                if i != j:
                    own = (items @ example[i]).log_softmax(0)
                    other = (items @ example[j]).detach().log_softmax(0)
                    total = total + (own.exp() * (own - other)).sum()
        each.append(total / (states * (states - 1)))
    return torch.stack(each)


@pytest.fixture
def tables() -> tuple[Tensor, Tensor]:
    """More examples than are looked at at once."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(50, 3, 4, generator=generator, dtype=torch.float64)
    items = torch.randn(11, 4, generator=generator, dtype=torch.float64)
    return queries.requires_grad_(), items.detach()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tesserec.parts.objectives.apart.HELD", 100)
    monkeypatch.setattr("tesserec.parts.objectives.apart.FEWEST", 6)


@pytest.mark.parametrize("weight", [torch.ones(50), torch.linspace(0, 1, 50)], ids=["even", "not"])
def test_values_and_gradients_are_those_of_all_pairs(
    tables: tuple[Tensor, Tensor], weight: Tensor
) -> None:
    queries, items = tables
    items.requires_grad_()
    found, expected = divergence(queries, items), slow(queries, items)
    torch.testing.assert_close(found, expected)
    mine = torch.autograd.grad((found * weight).sum(), [queries, items])
    theirs = torch.autograd.grad((expected * weight).sum(), [queries, items])
    torch.testing.assert_close(mine, theirs)


def test_equal_states_are_nowhere_apart_and_one_alone_neither(
    tables: tuple[Tensor, Tensor],
) -> None:
    queries, items = tables
    same = queries[:, :1].expand(-1, 3, -1)
    torch.testing.assert_close(divergence(same, items), torch.zeros(50).double())
    assert torch.equal(divergence(queries[:, :1], items), torch.zeros(50).double())
