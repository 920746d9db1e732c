import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

import tesserec as tr
from tesserec.core import Histories, Ragged, Run
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.methods.sequential.hstu import HSTU, Units, bucket
from tesserec.parts.batches import Packed
from toys.worlds import world

LONGEST = 12
LENGTHS = (9, 8, 8, 4, 1)  # three groups, one of them with pads


def method(**fields) -> HSTU:
    return HSTU(dim=6, heads=2, dropout=0.0, **fields).changed({"batches": {"length": LONGEST}})


def reader(timed: bool = True, **fields) -> Units:
    """Units whose biases are large enough to matter."""
    torch.manual_seed(0)
    units = Units(method(**fields), timed).double().eval()
    with torch.no_grad():
        for unit in units.units:
            unit.into.mul_(20)
            for table in (unit.places, unit.times):
                if table is not None:
                    table.copy_(torch.randn(len(table)))
    return units


def sequences(lengths=LENGTHS, timed: bool = True) -> tuple[Packed, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    count = sum(lengths)
    gaps = 10 ** (6 * torch.rand(count, generator=draw, dtype=torch.float64))
    times = 1_000_000_000 + gaps.long().cumsum(0)
    packed = Packed(torch.arange(count), torch.tensor(lengths), times if timed else None)
    return packed, torch.randn(count, 6, generator=draw, dtype=torch.float64)


def of_each(packed: Packed, table: torch.Tensor | None) -> list:
    parts = packed.lengths.tolist()
    return [None] * len(parts) if table is None else list(table.split(parts))


def slow_bucket(seconds: float) -> int:
    return min(math.floor(math.log(max(abs(seconds), 1)) / 0.301), 128)


def slow_unit(unit: nn.Module, x, times, n: int):
    """The equations of the paper for one sequence, pair by pair: [L, D] -> [L, D]"""
    length, dim = x.shape
    width = dim // unit.heads
    normal = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    u, q, k, v = functional.silu(normal @ unit.into.T).split(dim, 1)
    rows = []
    for i in range(length):
        found = []
        for head in range(unit.heads):
            own = slice(head * width, (head + 1) * width)
            total = torch.zeros(width, dtype=x.dtype)
            for j in range(i + 1):
                score = q[i, own] @ k[j, own]
                if unit.places is not None:
                    score = score + unit.places[i - j]
                if unit.times is not None and times is not None:
                    next_time = times[min(i + 1, length - 1)]
                    score = score + unit.times[slow_bucket(int(next_time - times[j]))]
                total = total + score * torch.sigmoid(score) / n * v[j, own]
            found.append(total)
        rows.append(torch.cat(found))
    y = torch.stack(rows)
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    return x + (u * y) @ unit.out.weight.T + unit.out.bias


def slow(units: Units, packed: Packed, values, times, n: int = LONGEST):
    states = []
    for first, moments in zip(of_each(packed, values), of_each(packed, times), strict=True):
        state = first
        for unit in units.units:
            state = slow_unit(unit, state, moments, n)
        states.append(state)
    return torch.cat(states)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("by_place", [True, False])
@pytest.mark.parametrize("by_time", [True, False])
def test_states_and_gradients_are_those_of_the_equations(timed, by_place, by_time):
    units = reader(by_place=by_place, by_time=by_time)
    packed, values = sequences(timed=timed)
    weights = torch.randn(values.shape, dtype=torch.float64)
    gradients = []
    for states in (units(values, packed), slow(units, packed, values, packed.time)):
        units.zero_grad()
        (states * weights).sum().backward()
        gradients.append([one.grad for one in units.parameters()])
    torch.testing.assert_close(units(values, packed), slow(units, packed, values, packed.time))
    for fast, expected in zip(*gradients, strict=True):
        if fast is None or expected is None:  # a table of times that nobody read
            assert not timed
            assert fast is expected
        else:
            torch.testing.assert_close(fast, expected)


def test_times_are_seconds_or_not_read():
    packed, values = sequences()
    places = replace(packed, time=packed.from_start)
    units = reader(timed=False)
    states = units(values, packed)
    torch.testing.assert_close(states, units(values, places))
    torch.testing.assert_close(states, slow(units, packed, values, None))
    assert not torch.allclose(states, reader(timed=True)(values, packed))


def test_weights_are_divided_by_a_constant_and_not_by_the_length():
    units = reader()
    with torch.no_grad():
        for unit in units.units:
            unit.into.div_(20)  # small enough for the epsilon of the layer norm to show what n is
    packed, values = sequences()
    torch.testing.assert_close(units(values, packed), slow(units, packed, values, packed.time))
    other = slow(units, packed, values, packed.time, n=9)
    assert (other - units(values, packed)).abs().max() > 1e-3


def test_what_comes_later_changes_nothing():
    units = reader()
    packed, values = sequences((9,))
    states = units(values, packed)
    later, moments = values.clone(), packed.time.clone()
    later[5:] += 1
    moments[6:] += 10_000  # the time of the next event is known, and it is not changed
    others = units(later, replace(packed, time=moments))
    torch.testing.assert_close(others[:5], states[:5])
    assert (others[5:] - states[5:]).abs().amax(1).min() > 0.1


def test_a_sequence_is_read_alone_as_among_others():
    units = reader()
    packed, values = sequences()
    states = of_each(packed, units(values, packed))
    times = of_each(packed, packed.time)
    for place, x in enumerate(of_each(packed, values)):
        alone = Packed(torch.arange(len(x)), torch.tensor([len(x)]), times[place])
        torch.testing.assert_close(units(x, alone), states[place])


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_the_last_states_alone_are_those_of_all(timed, blocks):
    units = reader(blocks=blocks)
    packed, values = sequences(timed=timed)
    torch.testing.assert_close(units.ends(values, packed), units(values, packed)[packed.ends - 1])


@pytest.mark.parametrize("timed", [True, False])
def test_reading_on_is_reading_the_whole(timed):
    """Two events more, at the time of the last one."""
    units = reader()
    packed, values = sequences((7, 6, 6, 3, 1), timed=timed)
    more = torch.randn(2, len(packed), 6, dtype=torch.float64)
    memories: list = []
    first = units(values, packed, memories)
    torch.testing.assert_close(first, units(values, packed))
    read = [units.further(one, memories) for one in more]

    rows = [torch.cat([x, more[:, s]]) for s, x in enumerate(of_each(packed, values))]
    times = packed.time
    if times is not None:
        parts = times.split(packed.lengths.tolist())
        times = torch.cat([torch.cat([one, one[-1:], one[-1:]]) for one in parts])
    count = sum(len(row) for row in rows)
    whole = Packed(torch.arange(count), packed.lengths + 2, times)
    states = units(torch.cat(rows), whole)
    torch.testing.assert_close(read[0], states[whole.ends - 2])
    torch.testing.assert_close(read[1], states[whole.ends - 1])


def test_beyond_the_longest_the_furthest_place_counts():
    units = reader()
    packed, values = sequences((LONGEST,))
    memories: list = []
    units(values, packed, memories)
    read = [units.further(values[:1], memories) for _ in range(3)]
    assert torch.stack(read).isfinite().all()


def test_one_event_is_enough():
    units = reader()
    packed, values = sequences((1, 1))
    states = units(values, packed)
    states.sum().backward()
    assert states.isfinite().all()
    assert all(one.grad.isfinite().all() for one in units.parameters())
    torch.testing.assert_close(states, slow(units, packed, values, packed.time))


def test_buckets_grow_by_a_factor_whichever_the_sign():
    assert bucket(torch.tensor([0, 1, -1, 2, -2])).tolist() == [0, 0, 0, 2, 2]
    for place in range(3, 39):  # two whole seconds on either side of an edge
        edge = math.exp(0.301 * place)
        below, above = math.floor(edge), math.ceil(edge)
        assert bucket(torch.tensor([below, above, -above])).tolist() == [
            slow_bucket(below),
            place,
            place,
        ]
        assert slow_bucket(below) < place
    assert bucket(torch.tensor([2**62, -(2**62)])).tolist() == [128, 128]


def test_heads_share_the_width():
    with pytest.raises(BadSpec, match="heads"):
        HSTU(dim=50, heads=3)


def asked(gap: int) -> Histories:
    items = torch.tensor([3, 4, 5, 9])
    time = torch.tensor([0, 1, 2, 2 + gap])
    return Histories(Ragged.packed(items, torch.tensor([4])), time)


@pytest.mark.parametrize("clock", ["seconds", "order"])
def test_a_loaded_model_still_knows_whether_times_are_seconds(clock, tmp_path):
    frame = toys.cycle().interactions.frame
    data = world(list(frame.select("user", "item", "time").iter_rows()), clock=clock)
    model = HSTU().changed(HSTU.tiny).changed({"schedule": {"epochs": 2}}).fit(data, Run())
    for one in (model, tr.load(tr.save(model, tmp_path / "model"))):
        near, far = (
            one.score(tr.Requests(torch.tensor([-1]), asked(gap)), torch.arange(20)[None])
            for gap in (1, 100_000)
        )
        assert torch.equal(near, far) == (clock == "order")
