"""Neighbours by vectors against a full sort in double precision."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core.errors import BadRequest, MissingExtra
from tesserec.parts.graphs import nearest, neighbours


def slow_cosines(vectors: torch.Tensor) -> torch.Tensor:
    """[I, I], in double precision."""
    exact = vectors.double()
    return (exact @ exact.T) / (exact.norm(dim=1)[:, None] * exact.norm(dim=1)[None, :])


def slow_nearest(cosines: torch.Tensor, count: int, there: list[bool]) -> list[list[int]]:
    """Sort all others that are there by cosine, then by row."""
    lists = []
    for i in range(len(cosines)):
        others = [j for j in range(len(cosines)) if there[i] and there[j] and j != i]
        lists.append(sorted(others, key=lambda j: (-float(cosines[i, j]), j))[:count])
    return lists


def drawn(items: int, width: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(items, width, generator=torch.Generator().manual_seed(seed))


def check(vectors: torch.Tensor, count: int, mask: torch.Tensor | None = None) -> None:
    near, similarity = nearest(vectors, count, mask)
    there = (vectors != 0).any(1) if mask is None else mask & (vectors != 0).any(1)
    cosines = slow_cosines(vectors)
    assert (near.dtype, similarity.dtype) == (torch.int64, torch.float32)
    for i, expected in enumerate(slow_nearest(cosines, count, there.tolist())):
        missing = count - len(expected)
        assert near[i].tolist() == expected + [-1] * missing
        values = [float(cosines[i, j]) for j in expected] + [0.0] * missing
        assert similarity[i].tolist() == pytest.approx(values, abs=1e-5)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 7, so that a hundred items are many blocks, the last one cut short."""
    monkeypatch.setattr(neighbours, "BLOCK", 7)


@pytest.mark.parametrize("items", [0, 1, 2, 6, 7, 8, 100])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_neighbours_are_those_of_a_full_sort(items, count, small_blocks, threads):
    check(drawn(items), count)


def test_items_outside_of_the_mask_neither_ask_nor_are_found(small_blocks):
    mask = torch.arange(60) % 3 != 0
    check(drawn(60), 4, mask)
    near, _ = nearest(drawn(60), 59, mask)
    assert set(near[mask].unique().tolist()) == {-1, *torch.nonzero(mask)[:, 0].tolist()}


def test_vectors_without_a_direction_are_nobodys_neighbours():
    vectors = drawn(20)
    vectors[3] = 0
    check(vectors, 4)
    vectors[3] = torch.nan
    near, similarity = nearest(vectors, 19)
    assert near[3].tolist() == [-1] * 19
    assert not (near == 3).any()
    assert similarity.isfinite().all()


# Axes have cosines of exactly 0, 1 and -1, so that ties are ties in float32, too.
@given(st.lists(st.sampled_from([1, 2, 3, -1, -2]), max_size=30), st.integers(1, 6))
def test_ties_go_by_item_row(axes, count):
    vectors = torch.zeros(len(axes), 3)
    for row, axis in enumerate(axes):
        vectors[row, abs(axis) - 1] = float(np.sign(axis)) * 2.0**row  # lengths do not matter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK", 7)
        check(vectors, count)


def test_half_precision_mapped_from_a_file_is_read_as_it_is(tmp_path, small_blocks):
    np.save(tmp_path / "half.npy", drawn(50).half().numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "half.npy", mmap_mode="c"))
    check(mapped, 5)


def test_blocks_and_threads_change_nothing(monkeypatch, threads):
    vectors = drawn(300, 16)
    expected = nearest(vectors, 8)
    monkeypatch.setattr(neighbours, "BLOCK", 41)
    near, similarity = nearest(vectors, 8)
    assert torch.equal(near, expected[0])
    torch.testing.assert_close(similarity, expected[1])


def test_no_neighbours_cannot_be_asked_for():
    with pytest.raises(BadRequest):
        nearest(drawn(3), 0)


def test_without_faiss_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match="pip install"):
        nearest(drawn(3), 1, index="faiss")


def test_faiss_finds_nearly_all_of_them():
    pytest.importorskip("faiss")
    vectors = drawn(2000, 8)
    exact, _ = nearest(vectors, 10)
    near, similarity = nearest(vectors, 10, index="faiss")
    met = (near[:, :, None] == exact[:, None, :]).any(2).float().mean()
    assert met > 0.95
    assert not (near == torch.arange(2000)[:, None]).any()
    assert (similarity.diff(dim=1) <= 0).all()
