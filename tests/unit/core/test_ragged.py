import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Ragged

rows_of_numbers = st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=6)


def test_prefixes_share_the_memory_of_the_whole_row():
    whole = Ragged.of([[3, 1, 2], [5, 4]])
    prefixes = Ragged(whole.values, whole.starts[[0, 0, 1]], torch.tensor([1, 2, 4]))
    assert prefixes.lists() == [[3], [3, 1], [5]]
    assert prefixes.values.data_ptr() == whole.values.data_ptr()
    assert prefixes[1:].values.data_ptr() == whole.values.data_ptr()


@given(rows_of_numbers)
def test_a_ragged_gives_back_the_lists_it_was_made_of(rows):
    assert Ragged.of(rows).lists() == rows
    assert Ragged.of(rows).lengths.tolist() == [len(row) for row in rows]


@given(rows_of_numbers, st.data())
def test_rows_are_picked_in_any_order_and_more_than_once(rows, data):
    picked = data.draw(st.lists(st.integers(0, max(len(rows) - 1, 0)), max_size=6 if rows else 0))
    found = Ragged.of(rows)[torch.tensor(picked, dtype=torch.int64)]
    assert found.lists() == [rows[index] for index in picked]
    assert Ragged.of(rows)[1:3].lists() == rows[1:3]
    assert found.compact().lists() == found.lists()


@given(rows_of_numbers, st.integers(0, 6))
def test_pairs_ordered_last_and_padded_say_the_same_as_lists(rows, width):
    ragged = Ragged.of([[], *rows])[1:]  # so that the values do not begin where the rows do
    assert [one.tolist() for one in ragged.pairs()] == [
        [index for index, row in enumerate(rows) for _ in row],
        [value for row in rows for value in row],
    ]
    assert ragged.ordered().lists() == [sorted(row) for row in rows]
    assert ragged.last(width).lists() == [row[len(row) - min(width, len(row)) :] for row in rows]
    longest = max((len(row) for row in rows), default=0)
    assert ragged.padded(-7).tolist() == [row + [-7] * (longest - len(row)) for row in rows]


def test_pairs_of_overlapping_rows_come_from_each_row():
    overlapping = Ragged(torch.tensor([7, 8, 9]), torch.tensor([0, 1]), torch.tensor([2, 3]))
    assert overlapping.pairs()[1].tolist() == [7, 8, 8, 9]
    assert overlapping.places()[1].tolist() == [0, 1, 1, 2]
    assert overlapping.padded().tolist() == [[7, 8], [8, 9]]


def test_grouping_keeps_the_order_of_pairs_within_a_row():
    rows, values = torch.tensor([2, 0, 2, 2]), torch.tensor([5, 1, 4, 9])
    assert Ragged.grouped(rows, values, 4).lists() == [[1], [], [5, 4, 9], []]


def test_rows_without_anything_are_rows():
    assert Ragged.empty(3).lists() == [[], [], []]
    assert Ragged.empty(3).padded().shape == (3, 0)
    assert Ragged.empty(0).padded().shape == (0, 0)
    assert Ragged.of([]).lists() == []


def test_renumbered_rows_leave_out_what_has_no_number():
    rows = Ragged.of([[2, 0, -1], [], [1, 1, 2]])
    found, kept = rows.renumbered(torch.tensor([5, -1, 7]))
    assert found.lists() == [[7, 5], [], [7]]
    assert kept.tolist() == [True, True, False, False, False, True]
    part, kept = rows[torch.tensor([2, 0])].renumbered(torch.tensor([5, 4, 7]))
    assert part.lists() == [[4, 4, 7], [7, 5]]
    assert kept.tolist() == [True] * 5 + [False]
