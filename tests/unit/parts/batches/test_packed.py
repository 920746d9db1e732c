import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Histories, Ragged
from tesserec.parts.batches import Packed

rows = st.lists(st.lists(st.integers(0, 9), max_size=30), min_size=1, max_size=12)


def packed_of(lists: list[list[int]], longest: int = 100) -> tuple[Packed, torch.Tensor]:
    items = Ragged.of(lists)
    times = torch.arange(len(items.values))
    return Packed.of(Histories(items, time=times, kind=times % 3), longest)


@given(rows, st.integers(1, 12))
def test_the_last_events_of_each_history_lie_longest_first(lists, longest):
    packed, order = packed_of(lists, longest)
    expected = [row[-longest:] for row in lists]
    assert order.tolist() == sorted(
        (n for n, row in enumerate(expected) if row), key=lambda n: -len(expected[n])
    )
    assert packed.items.tolist() == [one for n in order.tolist() for one in expected[n]]
    assert packed.lengths.tolist() == [len(expected[n]) for n in order.tolist()]
    ends = [sum(map(len, lists[: n + 1])) for n in range(len(lists))]
    times = [t for n in order.tolist() for t in range(ends[n] - len(expected[n]), ends[n])]
    assert packed.time.tolist() == times
    assert packed.kind.tolist() == [t % 3 for t in times]


@given(rows.filter(any))
def test_places_are_counted_from_both_ends(lists):
    packed, order = packed_of(lists)
    start = [t for n in order.tolist() for t in range(len(lists[n]))]
    assert packed.from_start.tolist() == start
    back = [t for n in order.tolist() for t in reversed(range(len(lists[n])))]
    assert packed.from_end.tolist() == back
    assert packed.sequence.tolist() == [
        s for s, n in enumerate(order.tolist()) for _ in range(len(lists[n]))
    ]


@given(rows.filter(any))
def test_groups_hold_every_event_once_and_pad_little(lists):
    packed, _ = packed_of(lists)
    values = torch.randn(len(packed.items), 3)
    tables = packed.padded(values)
    assert torch.equal(packed.joined(tables), values)
    assert sum(len(table) for table in tables) == len(packed)
    first = 0
    for group, table in zip(packed.groups, tables, strict=True):
        lengths = packed.lengths[first : first + len(table)]
        assert table.shape == (len(lengths), int(lengths.max()), 3)
        assert int(lengths.min()) >= 0.7 * int(lengths.max()) - 1
        for row, start, length in zip(table, packed.starts[first:], lengths, strict=False):
            assert torch.equal(row[:length], values[start : start + length])
        if group.mask is not None:
            assert group.mask.sum(1).tolist() == lengths.tolist()
        first += len(table)


def test_integers_are_padded_too_and_gradients_reach_each_event_once():
    packed, _ = packed_of([[1, 2, 3], [4, 5], [6]])
    assert torch.cat([t.flatten() for t in packed.padded(packed.items)]).tolist() == [
        *(1, 2, 3, 4, 5, 5),
        6,
    ]
    values = torch.randn(6, 2, requires_grad=True)
    packed.joined(packed.padded(values)).sum().backward()
    assert torch.equal(values.grad, torch.ones(6, 2))


def test_nobody_did_anything():
    packed, order = packed_of([[], []])
    assert len(packed) == 0
    assert len(order) == 0
    assert packed.groups == ()
