"""Co-occurrence: how many users chose both of two items, row by row, never as a list of pairs."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core import Dataset, Ragged
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel


def gram(data: Dataset) -> Tensor:
    """X^T X of the binary user-item matrix: [I, I] float32; its diagonal counts users per item."""
    items = len(data.catalog.items)
    table = np.zeros((items, items), np.float32)
    by_item = _users_of_items(data)
    _over_items(_count_row, data, by_item, table)
    return torch.from_numpy(table)


def cosine_neighbours(data: Dataset, count: int, shrink: float) -> tuple[Tensor, Tensor]:
    """The most similar items of each item and how similar they are: [I, count], [I, count].

    Similarity is co-occurrence / (sqrt(n_i n_j) + shrink). Equal ones are ordered by item row;
    -1 and 0 where an item has fewer neighbours.
    """
    items = len(data.catalog.items)
    near = np.full((items, count), -1, np.int64)
    similarity = np.zeros((items, count), np.float32)
    with torch.device("cpu"):  # a network that is built to be loaded is built on another
        by_item = _users_of_items(data)
        roots = by_item.lengths.double().sqrt().numpy()
        _over_items(_nearest_row, data, by_item, roots, float(shrink), near, similarity)
    return torch.from_numpy(near), torch.from_numpy(similarity)


def _users_of_items(data: Dataset) -> Ragged:
    users, items = data.positives.pairs()
    return Ragged.grouped(items, users, len(data.catalog.items))


def _over_items(kernel: Any, data: Dataset, by_item: Ragged, *arguments: Any) -> None:
    """Threads share the work, which is the lengths of the histories that hold an item."""
    users, items = data.positives.pairs()
    lengths = data.positives.lengths[users].double()
    work = torch.zeros(len(by_item), dtype=torch.float64).index_add(0, items, lengths)
    bounds = balanced(work.cumsum(0).long().numpy())
    in_parallel(kernel, bounds, *_flat(by_item), *_flat(data.positives), *arguments)


def _flat(rows: Ragged) -> tuple[NDArray[np.int64], ...]:
    arrays = (rows.values.numpy(), rows.starts.numpy(), rows.ends.numpy())
    return cast(tuple[NDArray[np.int64], ...], arrays)


@kernel()
def _count_row(  # type: ignore[no-untyped-def]
    users, user_starts, user_ends, items, starts, ends, table, first, last
):
    for i in range(first, last):
        for a in range(user_starts[i], user_ends[i]):
            for b in range(starts[users[a]], ends[users[a]]):
                table[i, items[b]] += 1


@kernel()
def _nearest_row(  # type: ignore[no-untyped-def]
    users, user_starts, user_ends, items, starts, ends, roots, shrink, near, similarity, first, last
):
    counts = np.zeros(len(roots), np.int32)
    met = np.empty(len(roots), np.int64)
    k = near.shape[1]
    for i in range(first, last):
        size = 0
        for a in range(user_starts[i], user_ends[i]):
            for b in range(starts[users[a]], ends[users[a]]):
                j = items[b]
                if counts[j] == 0:
                    met[size] = j
                    size += 1
                counts[j] += 1
        found = 0
        for m in range(size):
            j = met[m]
            value = np.float32(counts[j] / (roots[i] * roots[j] + shrink))
            counts[j] = 0
            if j == i:
                continue
            if found == k and not _is_before(value, j, similarity[i, k - 1], near[i, k - 1]):
                continue
            place = min(found, k - 1)
            while place > 0 and _is_before(value, j, similarity[i, place - 1], near[i, place - 1]):
                similarity[i, place] = similarity[i, place - 1]
                near[i, place] = near[i, place - 1]
                place -= 1
            similarity[i, place] = value
            near[i, place] = j
            found = min(found + 1, k)


@kernel()
def _is_before(value, row, other_value, other_row):  # type: ignore[no-untyped-def]
    return value > other_value or (value == other_value and row < other_row)
