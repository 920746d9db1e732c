from collections import Counter

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Batch, Dataset
from tesserec.core.errors import BadData
from tesserec.data.build import from_tables
from tesserec.parts.batches import Prefixes, SequenceBatch, Sequences
from tesserec.parts.negatives import Everything

people = st.lists(
    st.lists(st.integers(0, 6), min_size=1, max_size=9), min_size=1, max_size=6
).filter(lambda lists: max(map(len, lists)) > 1)


def data_of(lists: list[list[int]]) -> Dataset:
    events = [
        {"user": user, "item": item, "time": 1000 * t + user, "kind": "ab"[t % 2]}
        for user, items in enumerate(lists)
        for t, item in enumerate(items)
    ]
    return from_tables(pl.DataFrame(events))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def told(batch: SequenceBatch, data: Dataset) -> list[tuple[int, tuple[int, ...], int]]:
    """Whose, what came before, and what came: of each example, in ids."""
    items = data.catalog.items.ids
    places = torch.arange(len(batch)) if batch.place is None else batch.place
    found = []
    for user, place, positive in zip(batch.user, places, batch.positive, strict=True):
        start = batch.events.starts[batch.events.sequence[place]]
        before = batch.events.items[start : place + 1].tolist()
        found.append((int(user), tuple(items[one] for one in before), items[int(positive)]))
    return found


def windows(row: list[int], length: int, stride: int | None) -> list[tuple[int, int]]:
    """Where windows begin and end, told slowly."""
    found, end = [], len(row)
    while end >= 2:
        start = max(0, end - length - 1)
        found.append((start, end))
        if stride is None or start == 0:
            break
        end -= stride
    return found


@given(people, st.integers(1, 5), st.one_of(st.none(), st.integers(1, 4)), st.integers(1, 4))
def test_every_event_of_a_window_but_the_first_is_a_target(lists, length, stride, size):
    data = data_of(lists)
    epochs = Sequences(size=size, length=length, stride=stride, negatives=0)(data)
    batches = list(epochs(generator()))
    expected = Counter(
        (user, tuple(row[start:t]), row[t])
        for user, row in enumerate(lists)
        for start, end in windows(row, length, stride)
        for t in range(start + 1, end)
    )
    assert Counter(one for batch in batches for one in told(batch, data)) == expected
    assert len(batches) == len(epochs)
    assert all(len(batch.events) == size for batch in batches[:-1])


@given(people, st.integers(1, 5))
def test_a_prefix_has_one_target(lists, length):
    data = data_of(lists)
    batches = list(Prefixes(size=3, length=length, negatives=0)(data)(generator()))
    expected = Counter(
        (user, tuple(row[max(0, t - length) : t]), row[t])
        for user, row in enumerate(lists)
        for t in range(1, len(row))
    )
    assert Counter(one for batch in batches for one in told(batch, data)) == expected
    assert all(len(batch.events) == len(batch) for batch in batches)


@given(people)
def test_rows_name_the_event_that_came_and_what_is_known_of_those_before(lists):
    data = data_of(lists)
    frame = data.interactions.frame
    for batch in Sequences(size=2, length=4)(data)(generator()):
        assert isinstance(batch, Batch)
        assert frame["item"].gather(batch.row.numpy()).to_list() == batch.positive.tolist()
        assert frame["user"].gather(batch.row.numpy()).to_list() == batch.user.tolist()
        before = frame["time"].gather(batch.row.numpy()).to_numpy() - 1000
        assert batch.events.time.tolist() == before.tolist()
        steps = (batch.events.time // 1000) % 2
        assert [data.interactions.kinds[code] for code in batch.events.kind.tolist()] == [
            "ab"[step] for step in steps.tolist()
        ]


def test_no_negative_was_ever_chosen_by_the_person():
    lists = [[0, 1, 2, 3], [4, 5], [6, 0, 6]]
    data = data_of(lists)
    for batch in Sequences(size=2, negatives=20)(data)(generator()):
        for user, drawn in zip(batch.user.tolist(), batch.negative.items.tolist(), strict=True):
            assert not set(drawn) & set(lists[user])


@given(people, st.integers(0, 5), st.integers(1, 6))
def test_a_share_has_the_same_examples_and_the_sequences_they_need(lists, first, count):
    data = data_of(lists)
    kinds = (
        Sequences(size=4, length=3, sampler=Everything()),
        Prefixes(size=4, length=3, sampler=Everything()),
    )
    for batches in kinds:
        for batch in batches(data)(generator()):
            share = batch[first : first + count]
            assert told(share, data) == told(batch, data)[first : first + count]
            assert len(share.events) <= len(batch.events)


def test_the_same_seed_draws_the_same_epoch_and_the_next_pass_another_order():
    data = data_of([[1, 2, 3], [4, 5], [6, 1], [2, 3, 4]])
    epochs = Sequences(size=2)(data)
    one, other = ([told(b, data) for b in epochs(generator(3))] for _ in range(2))
    assert one == other
    passing = generator(3)
    assert len({str([told(b, data) for b in epochs(passing)]) for _ in range(4)}) > 1


def test_people_with_one_event_each_teach_no_order():
    with pytest.raises(BadData, match="two events"):
        Sequences()(data_of([[1], [2]]))


@given(people, st.integers(1, 4), st.integers(1, 5))
def test_a_few_prefixes_of_each_person_are_drawn_anew(
    lists: list[list[int]], each: int, size: int
) -> None:
    data = data_of(lists)
    every = Prefixes(size=size, length=20, negatives=0)
    whole = Counter(one for batch in every(data)(generator()) for one in told(batch, data))
    epochs = every.changed({"each": each})(data)
    found = [list(epochs(generator(seed))) for seed in range(2)]
    for batches in found:
        drawn = Counter(one for batch in batches for one in told(batch, data))
        assert not drawn - whole
        owners = Counter(one[0] for one in drawn.elements())
        rows = Counter(one[0] for one in whole.elements())
        assert owners == {user: min(each, count) for user, count in rows.items()}
        assert len(batches) == len(epochs)


def test_other_prefixes_are_drawn_in_the_next_pass() -> None:
    data = data_of([[0, 1, 2, 3, 4, 5, 6]] * 10)
    epochs = Prefixes(size=10, length=20, negatives=0, each=1)(data)
    drawn = generator()
    first, second = (
        sorted(one for batch in epochs(drawn) for one in told(batch, data)) for _ in range(2)
    )
    assert first != second
