import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tesserec.core import Batch
from tesserec.core.errors import BadData, BadSpec
from tesserec.parts.batches import Cloze
from toys.worlds import random_world, world, worlds

DATA = random_world(seed=2, users=12, items=30, events=200)
HIDDEN = len(DATA.catalog.items)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sequences(values: torch.Tensor, batch) -> list[list[int]]:
    """Values of the events of a batch, sequence by sequence."""
    return [one.tolist() for one in values.split(batch.events.lengths.tolist())]


def restored(batch) -> torch.Tensor:
    """The events of a batch with the targets put back where they were hidden."""
    return batch.events.items.index_copy(0, batch.place, batch.positive)


def slow_windows(history: list[int], length: int, stride: int | None) -> list[list[int]]:
    """The latest window first, then each begins a stride earlier, the earliest at the start."""
    begin = max(len(history) - length, 0)
    begins = [begin]
    while stride is not None and begin > 0:
        begin = max(begin - stride, 0)
        begins.append(begin)
    return [history[at : at + length] for at in begins]


@given(worlds(), st.integers(2, 6), st.one_of(st.none(), st.integers(1, 4)), st.integers(1, 5))
def test_an_epoch_holds_every_window_once(data, length, stride, size):
    histories = [one for one in data.histories.items.lists() if len(one) > 1]
    batches = Cloze(size=size, length=length, stride=stride)
    if not histories:
        with pytest.raises(BadData, match="two events"):
            batches(data)
        return
    expected = [one for history in histories for one in slow_windows(history, length, stride)]
    epochs = batches(data)
    met = list(epochs(generator()))
    assert len(met) == len(epochs)
    windows = [one for batch in met for one in sequences(restored(batch), batch)]
    assert sorted(windows) == sorted(expected)
    for batch in met:
        assert (batch.events.lengths.diff() <= 0).all()


@pytest.mark.parametrize("share", [0.01, 0.2, 0.6, 1.0])
@pytest.mark.parametrize("most", [1, 3, 100])
def test_as_many_are_hidden_as_the_share_says_at_least_one_at_most_the_cap(share, most):
    batches = Cloze(size=7, length=9, stride=4, share=share, most=most, last=0.0)
    for batch in batches(DATA)(generator()):
        for row in sequences(batch.events.items, batch):
            assert row.count(HIDDEN) == min(most, max(1, round(share * len(row))))


def test_a_window_that_hides_its_last_event_hides_no_other():
    for batch in Cloze(size=5, length=9, last=1.0, share=0.9)(DATA)(generator()):
        assert torch.equal(batch.place, batch.events.ends - 1)


def test_the_share_of_windows_that_hide_only_their_last_event():
    epochs = Cloze(size=64, length=9, stride=1, last=0.25, share=0.5)(DATA)
    only = total = 0
    for seed in range(20):
        for batch in epochs(generator(seed)):
            rows = [row for row in sequences(batch.events.items, batch) if len(row) == 9]
            only += sum(row.index(HIDDEN) == 8 for row in rows)
            total += len(rows)
    # Four of nine events are hidden where more than the last are, so the first is never at 8.
    assert stats.binomtest(only, total, 0.25).pvalue > 1e-3


def test_every_event_of_a_window_is_hidden_as_often():
    data = world([(0, item, item) for item in range(8)])
    epochs = Cloze(length=8, share=0.4, last=0.0)(data)
    places = torch.cat([batch.place for seed in range(500) for batch in epochs(generator(seed))])
    times = np.bincount(places.numpy(), minlength=8)
    assert times.sum() == 500 * 3
    assert stats.chisquare(times).pvalue > 1e-3


@given(worlds(), st.integers(1, 5), st.floats(0.05, 1))
def test_a_target_is_the_event_that_was_there(data, size, share):
    if data.histories.items.lengths.max() < 2:
        return
    frame = data.interactions.frame
    for batch in Cloze(size=size, length=4, stride=2, share=share, last=0.3)(data)(generator()):
        assert isinstance(batch, Batch)
        hidden = torch.zeros_like(batch.events.items, dtype=torch.bool)
        hidden[batch.place] = True
        assert torch.equal(batch.events.items == len(data.catalog.items), hidden)
        assert (batch.place.diff() > 0).all()
        assert frame["item"].gather(batch.row.tolist()).to_list() == batch.positive.tolist()
        assert frame["user"].gather(batch.row.tolist()).to_list() == batch.user.tolist()
        rows, sequence = sequences(restored(batch), batch), batch.events.sequence[batch.place]
        for user, number in zip(batch.user.tolist(), sequence.tolist(), strict=True):
            history = data.histories.items.row(user).tolist()
            assert rows[number] in slow_windows(history, 4, 2)


def test_what_is_beside_the_items_stays_beside_them():
    events = [(0, item, 10 + item) for item in range(6)]
    data = world(events, kind=["view", "cart", "buy"] * 2)
    batch = next(Cloze(length=4, last=0.0)(data)(generator()))
    items = restored(batch)
    assert torch.equal(batch.events.time, items + 10)
    assert [data.interactions.kinds[code] for code in batch.events.kind.tolist()] == [
        ["view", "cart", "buy"][item % 3] for item in items.tolist()
    ]


def test_a_part_of_a_batch_keeps_what_its_targets_need():
    batch = next(Cloze(size=12, length=9)(DATA)(generator()))
    whole, at = sequences(batch.events.items, batch), 0
    for share in (slice(0, 5), slice(5, 6), slice(6, None)):
        part = batch[share]
        rows = sequences(part.events.items, part)
        for place, user, positive in zip(part.place, part.user, part.positive, strict=True):
            assert part.events.items[place] == HIDDEN
            assert (user, positive) == (batch.user[at], batch.positive[at])
            mine = rows[part.events.sequence[place]]
            assert mine == whole[batch.events.sequence[batch.place[at]]]
            assert part.events.from_start[place] == batch.events.from_start[batch.place[at]]
            at += 1
    assert at == len(batch)


def test_other_events_are_hidden_in_the_next_pass_and_the_same_with_the_same_numbers():
    epochs = Cloze(size=100, length=9)(DATA)
    numbers = generator()
    one, other = next(epochs(numbers)), next(epochs(numbers))
    assert not torch.equal(one.row.sort().values, other.row.sort().values)
    assert torch.equal(next(epochs(generator())).row, one.row)


@pytest.mark.parametrize("wrong", [{"length": 1}, {"share": 0}, {"most": 0}, {"last": 1.1}])
def test_numbers_that_hide_nothing_sensible_are_refused(wrong):
    with pytest.raises(BadSpec, match=next(iter(wrong))):
        Cloze(**wrong)
