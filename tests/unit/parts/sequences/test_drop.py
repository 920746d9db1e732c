import numpy as np
import pytest
import torch
from torch import Tensor

from tesserec.parts.sequences import Drop


def dropped(values: Tensor, share: float, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return Drop(share)(values)


def mixed(number: int, key: int) -> int:
    """One step of the generator in Python's own integers."""
    bits = number ^ (key & 0xFFFFFFFF)
    bits = (bits ^ (bits >> 16)) * 0x7FEB352D % 2**32
    bits ^= key >> 32
    bits = (bits ^ (bits >> 15)) * 0x846CA68B % 2**32
    return bits ^ (bits >> 16)


@pytest.mark.parametrize("count", [1, 2, 7, 50_001])
def test_what_is_dropped_is_what_the_generator_says(count: int) -> None:
    torch.manual_seed(3)
    key = int(torch.randint(2**62, (1,)))
    half = (count + 1) // 2
    numbers = [mixed(n, key) for n in range(half)]
    drawn = [bits % 2**16 for bits in numbers] + [bits >> 16 for bits in numbers]
    values = torch.arange(1.0, count + 1)
    below = round(0.3 * 2**16)
    kept = torch.tensor([one >= below for one in drawn[:count]])
    expected = torch.where(kept, values * (2**16 / (2**16 - below)), 0.0)
    torch.testing.assert_close(dropped(values, 0.3, seed=3), expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_kept(share: float) -> None:
    found = dropped(torch.ones(1000, 1001), share)
    error = 5 / 1001  # five deviations of a share of a million
    assert abs(float((found == 0).float().mean()) - share) < error * (share * (1 - share)) ** 0.5
    assert float(found.mean()) == pytest.approx(1, abs=0.02)


def test_neighbours_halves_and_calls_have_nothing_to_do_with_each_other() -> None:
    torch.manual_seed(0)
    drop, ones = Drop(0.5), torch.ones(2**20)
    first, second = ((drop(ones) == 0).float().numpy() for _ in range(2))
    half = len(first) // 2
    pairs = {
        "neighbours": (first[:-1], first[1:]),
        "rows": (first[:-64], first[64:]),
        "halves": (first[:half], first[half:]),
        "calls": (first, second),
    }
    for name, (one, other) in pairs.items():
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / len(one) ** 0.5, name


def test_gradients_are_dropped_where_values_were() -> None:
    values = torch.randn(301, 67, requires_grad=True)
    found = dropped(values, 0.4)
    found.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values.detach(), found.detach())


def test_the_number_of_threads_changes_nothing() -> None:
    values, threads = torch.randn(333, 333), torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(dropped(values, 0.2))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


def test_nothing_is_dropped_when_answering() -> None:
    values = torch.randn(5, 5)
    assert Drop(0.9).eval()(values) is values


def test_other_types_are_dropped_as_well() -> None:
    assert set(dropped(torch.ones(1000, dtype=torch.float64), 0.5).tolist()) == {0.0, 2.0}
