"""Collisions: a few codes one can see, and what must hold of any."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tesserec.core import Codes
from tesserec.core.errors import BadData
from tesserec.core.registry import every
from tesserec.parts.semantic_ids import (
    Collisions,
    ExtraLevel,
    FreeLeaves,
    PopularityLevel,
)
from tesserec.parts.semantic_ids.given import NoCodebook
from toys.codebooks import Line

SIZES = (3, 4, 5)
every_way = pytest.mark.parametrize("way", [kind() for kind in every(Collisions)], ids=repr)


def of(rows: list[list[int]], sizes: tuple[int, ...]) -> Codes:
    return Codes(torch.tensor(rows, dtype=torch.int64).view(-1, len(sizes)), sizes)


@st.composite
def any_codes(draw: st.DrawFn, least: int = 0, most: int = 30) -> Codes:
    """Rows of few tokens, so that many are the same."""
    row = st.tuples(*(st.integers(0, min(size, 3) - 1) for size in SIZES))
    return of([list(one) for one in draw(st.lists(row, min_size=least, max_size=most))], SIZES)


@st.composite
def with_popularity(draw: st.DrawFn) -> tuple[Codes, Tensor]:
    codes = draw(any_codes())
    counts = draw(st.lists(st.integers(0, 3), min_size=len(codes), max_size=len(codes)))
    return codes, torch.tensor(counts, dtype=torch.int64)


@every_way
@given(with_popularity())
def test_codes_become_unique_and_alone_they_stay(way, case):
    codes, popularity = case
    found = way.apart(codes, popularity)
    assert found.unique
    rows = [tuple(row) for row in codes.table.tolist()]
    for row, now in zip(rows, found.table.tolist(), strict=True):
        if rows.count(row) == 1:
            assert tuple(now[: len(SIZES)]) == row
            assert now[len(SIZES) :] in ([], [0])


@pytest.mark.parametrize("way", [ExtraLevel(), PopularityLevel()], ids=repr)
@given(with_popularity())
def test_the_extra_level_ranks_those_of_the_same_codes(way, case):
    codes, popularity = case
    found = way.apart(codes, popularity)
    assert torch.equal(found.table[:, :-1], codes.table)
    for item, row in enumerate(codes.table.tolist()):
        same = [j for j, other in enumerate(codes.table.tolist()) if other == row]
        if isinstance(way, PopularityLevel):
            same.sort(key=lambda j: (-int(popularity[j]), j))
        assert int(found.table[item, -1]) == same.index(item)


@every_way
@given(with_popularity(), any_codes())
def test_new_items_never_change_the_codes_of_old_ones(way, case, new):
    codes, popularity = case
    before = way.apart(codes, popularity)
    after = way.added(before, new.table)
    assert after.unique
    assert after.sizes == before.sizes
    assert torch.equal(after.table[: len(before)], before.table)
    known = before.table[:, : len(SIZES)].tolist()
    for row, now in zip(new.table.tolist(), after.table[len(before) :].tolist(), strict=True):
        if row not in known and new.table.tolist().count(row) == 1:
            assert now[: len(SIZES)] == row


@every_way
@given(any_codes(least=1, most=12))
def test_one_by_one_or_together_new_items_are_told_apart(way, new):
    before = one_by_one = way.apart(of([[0, 0, 0]], SIZES), torch.zeros(1))
    for row in new.table:
        one_by_one = way.added(one_by_one, row[None])
    together = way.added(before, new.table)
    assert one_by_one.unique
    if isinstance(way, ExtraLevel):
        assert torch.equal(one_by_one.table, together.table)


def test_the_extra_level_has_room_for_twice_a_bucket_that_does_not_fit():
    codes = of([[0]] * 5 + [[1]], (2,))
    popularity = torch.zeros(6)
    assert ExtraLevel(room=5).apart(codes, popularity).sizes == (2, 5)
    assert ExtraLevel(room=4).apart(codes, popularity).sizes == (2, 10)


def test_new_items_beyond_a_full_bucket_go_to_the_nearest_free_leaf():
    """In bucket [0, 1] all three tokens are taken; its neighbour [0, 0] has two that are free."""
    rows = [[0, 1], [0, 1], [0, 1], [0, 0]]
    before = ExtraLevel(room=3).apart(of(rows, (2, 2)), torch.zeros(4))
    after = ExtraLevel(room=3).added(before, torch.tensor([[0, 1]] * 3))
    assert after.table[4:].tolist() == [[0, 0, 1], [0, 0, 2], [1, 0, 0]]


def test_a_leaf_left_free_in_the_bucket_itself_comes_before_its_neighbours():
    before = of([[0, 0, 2], [0, 1, 0]], (1, 2, 3))  # [0, 0, 0] and [0, 0, 1] are free
    after = ExtraLevel(room=3).added(before, torch.tensor([[0, 0], [0, 0], [0, 0]]))
    assert after.table[2:].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 1]]


def test_the_most_popular_keeps_its_leaf_and_the_others_move_nearby():
    """All want token 1 of 4; those that move lie at 2.2, and at 0.4 of the line."""
    codes = of([[0, 0, 1]] * 3, SIZES)
    popularity = torch.tensor([2, 9, 1])
    wanted = torch.tensor([[2.2], [1.0], [0.4]])
    found = FreeLeaves().apart(replace(codes, codebook=Line(SIZES)), popularity, wanted)
    assert found.table.tolist() == [[0, 0, 2], [0, 0, 1], [0, 0, 0]]
    blind = FreeLeaves().apart(codes, popularity, wanted)
    assert blind.table.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]


def test_without_vectors_items_move_near_what_their_codes_stand_for():
    codes = replace(of([[0, 0, 3]] * 3, SIZES), codebook=Line(SIZES))
    found = FreeLeaves().apart(codes, torch.zeros(3))
    assert found.table.tolist() == [[0, 0, 3], [0, 0, 2], [0, 0, 4]]


def test_vectors_of_another_width_than_codes_stand_for_are_not_asked():
    codes = replace(of([[0, 0, 3]] * 3, SIZES), codebook=Line(SIZES))
    found = FreeLeaves().apart(codes, torch.zeros(3), torch.zeros(3, 7))
    assert found.table.tolist() == [[0, 0, 3], [0, 0, 2], [0, 0, 4]]


def test_a_codebook_whose_codes_stand_for_nothing_leaves_the_order_of_tokens():
    codes = replace(of([[0, 0, 3]] * 3, SIZES), codebook=NoCodebook(""))
    found = FreeLeaves().apart(codes, torch.zeros(3), torch.zeros(3, 7))
    assert found.table.tolist() == [[0, 0, 3], [0, 0, 0], [0, 0, 1]]


def slow_move(codes: Codes, popularity: Tensor, vectors: Tensor) -> list[list[int]]:
    """Levels from the last to the first; those waiting choose in turn among all free leaves."""
    leaves = torch.cartesian_prod(*(torch.arange(size) for size in SIZES)).tolist()
    place = dict(
        zip(map(tuple, leaves), Line(SIZES).decode(torch.tensor(leaves))[:, 0], strict=True)
    )
    rows = codes.table.tolist()
    turn = sorted(range(len(rows)), key=lambda i: (-int(popularity[i]), i))
    kept: dict[tuple[int, ...], int] = {}
    waiting = [i for i in turn if kept.setdefault(tuple(rows[i]), i) != i]
    taken = set(kept)
    for level in reversed(range(len(SIZES))):
        still = []
        for i in waiting:
            free = [leaf for leaf in place if leaf[:level] == tuple(rows[i][:level])]
            free = [leaf for leaf in free if leaf not in taken]
            if not free:
                still.append(i)
                continue
            rows[i] = list(min(free, key=lambda leaf: (abs(place[leaf] - vectors[i, 0]), leaf)))
            taken.add(tuple(rows[i]))
        waiting = still
    return rows


@given(with_popularity(), st.integers(0, 9))
def test_moves_are_those_of_a_search_through_all_leaves(case, seed):
    codes, popularity = case
    codes = replace(codes, table=codes.table % 2)  # more of the same
    drawn = torch.rand(len(codes), 1, generator=torch.Generator().manual_seed(seed))
    vectors = Line(SIZES).decode(codes.table) + 60 * drawn - 30
    found = FreeLeaves().apart(replace(codes, codebook=Line(SIZES)), popularity, vectors)
    assert found.table.tolist() == slow_move(codes, popularity, vectors)


def test_threads_change_no_move(threads):
    draw = torch.Generator().manual_seed(0)
    table = torch.stack([torch.randint(0, 2, (40,), generator=draw) for _ in SIZES], 1)
    codes, vectors = Codes(table, SIZES, Line(SIZES)), 100 * torch.rand(40, 1, generator=draw)
    found = FreeLeaves().apart(codes, torch.zeros(40), vectors)
    assert found.table.tolist() == slow_move(codes, torch.zeros(40), vectors)


@every_way
def test_a_tree_is_filled_to_its_last_leaf_and_then_refuses(way):
    extra = isinstance(way, ExtraLevel)
    way = way.changed({"room": 2}) if extra else way
    sizes = (2, 3) if extra else (2, 3, 2)
    before = way.apart(of([[0] * len(sizes)], sizes), torch.zeros(1))
    new = torch.zeros(11, len(sizes), dtype=torch.int64)
    full = way.added(before, new)
    assert full.distinct == 12
    with pytest.raises(BadData, match="13 items need a semantic id each, and there are 12"):
        way.added(full, new[:1])


def test_many_items_of_the_same_content_find_leaves_in_a_deep_tree():
    """As many as have no content in a real catalogue; 256 to the third leaves are not gone over."""
    codes = Codes(torch.zeros(3000, 3, dtype=torch.int64), (256, 256, 256))
    found = FreeLeaves().apart(codes, torch.zeros(3000))
    assert found.unique
    assert found.table[:, 0].eq(0).all()
    assert int(found.table[:, 1].max()) == 2999 // 256
