"""The index of usearch: what it finds, that nothing is lost by it, and that it is saved."""

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tesserec.core.errors import DamagedFile, MissingExtra
from tesserec.recommenders.index import Indexed, USearch
from toys.pipelines import drawn, questions
from toys.recommenders import asked_by

MODELS: dict[int, object] = {}


@pytest.fixture
def usearch():
    return pytest.importorskip("usearch.index", reason="usearch is not installed")


@given(data=st.data())
@settings(max_examples=25)
def test_it_never_loses_an_answer(data):
    pytest.importorskip("usearch.index", reason="usearch is not installed")
    model = MODELS.setdefault(12, drawn(12).indexed(USearch(links=4, effort=10, breadth=4)))
    asked, k = data.draw(questions(12)), data.draw(st.integers(1, 14))
    found, exact = model.recommend(asked, k), drawn(12).recommend(asked, k)  # type: ignore[attr-defined]
    assert torch.equal((found.items >= 0).sum(1), (exact.items >= 0).sum(1))
    for row in range(len(asked)):
        items = [one for one in found.items[row].tolist() if one >= 0]
        assert len(set(items)) == len(items)
        assert asked.allowed is None or bool(asked.allowed[items].all())
        assert asked.exclude is None or not set(items) & set(asked.exclude.row(row).tolist())


def test_where_it_looks_far_enough_it_finds_what_looking_at_all_does(usearch):
    model = drawn(300)
    made = model.indexed(USearch(breadth=300))
    assert made.index is not None
    assert made.index.recall > 0.99
    assert made.recommend(asked_by(1), 10).items.equal(model.recommend(asked_by(1), 10).items)


@pytest.mark.parametrize("asked", [0, 1, 3])
@pytest.mark.parametrize("items", [0, 1, 3])
def test_what_there_is_not_is_not_found(usearch, items, asked):
    table = torch.eye(3)[:items]
    found = USearch().build(table).search(torch.ones(asked, 3), 5)
    assert found.shape == (asked, 5)
    assert [sorted(row) for row in found.tolist()] == [
        [-1] * (5 - items) + list(range(items))
    ] * asked


def test_it_is_read_back_as_it_was(usearch, tmp_path):
    table, queries = drawn(300).item_vectors, torch.randn(20, 4)
    made = Indexed.built(USearch(breadth=7), table, queries)
    made.write(tmp_path)
    read = Indexed.read(tmp_path, table)
    assert read is not None
    assert read.kind == made.kind
    assert read.recall == made.recall
    assert torch.equal(read.searcher.search(queries, 9), made.searcher.search(queries, 9))
    with pytest.raises(DamagedFile, match="299 items"):
        Indexed.read(tmp_path, table[:299])


def test_without_the_package_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtra, match="pip install usearch"):
        drawn(300).indexed(USearch())
