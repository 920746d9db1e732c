import weakref

import pytest
import torch
from torch.nn import functional

from tesserec.parts.objectives import cross_entropy, everything


def tables(examples: int = 37, items: int = 23, dim: int = 5):
    torch.manual_seed(0)
    queries = torch.randn(examples, dim, dtype=torch.float64, requires_grad=True)
    table = torch.randn(items, dim, dtype=torch.float64, requires_grad=True)
    return queries, table, torch.randint(items, (examples,))


@pytest.fixture(params=[1, 7, 64], ids="{} examples at a time".format)
def blocks(request, monkeypatch):
    monkeypatch.setattr(everything, "HELD", 1)
    monkeypatch.setattr(everything, "FEWEST", request.param)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("small", [everything.SMALL, 0.0], ids=["as they are", "shifted"])
@pytest.mark.parametrize("weights", [torch.ones(37), torch.rand(37), torch.arange(37) % 2])
def test_it_is_torchs_own_and_so_are_its_gradients(weights, small, monkeypatch):
    monkeypatch.setattr(everything, "SMALL", small)
    queries, table, chosen = tables()
    other_queries, other_table = (one.detach().clone().requires_grad_() for one in (queries, table))
    found = cross_entropy(queries, table, chosen)
    expected = functional.cross_entropy(other_queries @ other_table.T, chosen, reduction="none")
    torch.testing.assert_close(found, expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(queries.grad, other_queries.grad)
    torch.testing.assert_close(table.grad, other_table.grad)


def test_large_scores_stay_finite():
    queries = torch.tensor([[1000.0], [-1000.0]])
    table = torch.tensor([[1.0], [-1.0], [0.0]])
    assert cross_entropy(queries, table, torch.tensor([0, 0])).tolist() == [0.0, 2000.0]


def test_of_all_scores_only_a_block_and_the_one_before_are_held(monkeypatch):
    held = []
    inner = everything._blocks

    def watched(queries, items):
        for rows, scores in inner(queries, items):
            held.append(weakref.ref(scores))
            assert scores.numel() <= 2**20
            assert sum(one() is not None for one in held) <= 2
            yield rows, scores

    monkeypatch.setattr(everything, "_blocks", watched)
    queries, table = torch.randn(5000, 4), torch.randn(3000, 4)
    cross_entropy(queries, table, torch.zeros(5000, dtype=torch.int64))
    assert len(held) > 10


def test_nothing_is_asked():
    queries, table, chosen = tables(examples=0)
    cross_entropy(queries, table, chosen).sum().backward()
    assert (table.grad == 0).all()
