import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core.parallel import balanced, even, in_parallel


def double(numbers, doubled, first, last):
    doubled[first:last] += 2 * numbers[first:last]


@given(st.integers(0, 50))
def test_even_bounds_cover_every_row_once(rows):
    for work in (0, 10**9):
        bounds = even(rows, work)
        assert (bounds[0], bounds[-1]) == (0, rows)
        assert bounds == sorted(bounds)
        assert len(bounds) == 1 + (torch.get_num_threads() if work else 1)


@given(st.lists(st.integers(0, 5), max_size=20))
def test_balanced_bounds_cover_every_row_once(lengths):
    ends = np.cumsum(np.array(lengths, dtype=np.int64))
    for width in (1, 10**6):
        bounds = balanced(ends, width)
        assert (bounds[0], bounds[-1]) == (0, len(lengths))
        assert bounds == sorted(bounds)


def test_each_row_is_computed_once(threads):
    numbers, doubled = np.arange(10), np.zeros(10, dtype=int)
    in_parallel(double, even(10, 1), numbers, doubled)
    assert len(even(10, 1)) == threads + 1
    assert doubled.tolist() == [2 * number for number in range(10)]
    in_parallel(double, [0, 0], numbers, doubled)
    in_parallel(double, [0], numbers, doubled)
    assert doubled.tolist() == [2 * number for number in range(10)]


def test_what_goes_wrong_in_a_thread_is_raised():
    def fails(first, last):
        if first > 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_parallel(fails, [0, 1, 2])
