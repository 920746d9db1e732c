import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Dataset
from tesserec.parts.graphs import cosine_neighbours, gram
from toys.worlds import random_world, world, worlds


def matrix(data: Dataset) -> np.ndarray:
    """Who chose what, each pair once."""
    chosen = np.zeros((len(data.catalog.users), len(data.catalog.items)))
    for user, item in data.interactions.frame.select("user", "item").rows():
        chosen[user, item] = 1
    return chosen


def slow_neighbours(data: Dataset, count: int, shrink: float) -> list[list[tuple[int, float]]]:
    """Sort all others by similarity, then by row; those never met together are no neighbours."""
    together = matrix(data).T @ matrix(data)
    lists = []
    for i in range(len(together)):
        found = []
        for j in range(len(together)):
            root = np.sqrt(together[i, i]) * np.sqrt(together[j, j])
            if i != j and together[i, j] > 0:
                found.append((j, np.float32(together[i, j] / (root + shrink))))
        lists.append(sorted(found, key=lambda pair: (-pair[1], pair[0]))[:count])
    return lists


def check(data: Dataset, count: int, shrink: float) -> None:
    near, similarity = cosine_neighbours(data, count, shrink)
    for i, expected in enumerate(slow_neighbours(data, count, shrink)):
        missing = count - len(expected)
        assert near[i].tolist() == [j for j, _ in expected] + [-1] * missing
        assert similarity[i].tolist() == pytest.approx([s for _, s in expected] + [0.0] * missing)


@given(worlds())
def test_the_gram_matrix_counts_who_chose_both(data):
    assert np.array_equal(gram(data).numpy(), matrix(data).T @ matrix(data))


@given(worlds(), st.integers(1, 9), st.sampled_from([0.0, 0.5, 10.0]))
def test_neighbours_are_those_of_a_full_sort(data, count, shrink):
    check(data, count, shrink)


def test_threads_change_nothing(threads):
    data = random_world(users=60, items=80, events=900)
    check(data, 6, 0.0)
    assert np.array_equal(gram(data).numpy(), matrix(data).T @ matrix(data))


def test_by_hand():
    data = world([(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2)])
    near, similarity = cosine_neighbours(data, 2, 0.0)
    assert near.tolist() == [[1, -1], [0, 2], [1, -1]]
    assert similarity[0].tolist() == pytest.approx([2 / np.sqrt(2 * 3), 0])
