"""Codes: a table of semantic ids as a tree, looked at from one of its nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Child:
    """What continues a prefix by one token."""

    token: int
    count: int
    examples: Sequence[int]  # rows of items


def below(table: Rows, prefix: Sequence[int]) -> Rows:
    """The items whose ids [I, L] begin so: [n]"""
    there = (table[:, : len(prefix)] == np.asarray(prefix, np.int64)).all(1)
    return np.flatnonzero(there)


def children(table: Rows, prefix: Sequence[int], worth: Rows, most: int) -> list[Child]:
    """What follows a prefix, the largest first, each with the items that are worth most [I]."""
    rows = below(table, prefix)
    token = table[rows, len(prefix)]
    order = np.lexsort((rows, -worth[rows], token))
    tokens, starts, counts = np.unique(token[order], return_index=True, return_counts=True)
    ordered = rows[order]
    by_size = np.lexsort((tokens, -counts))
    return [
        Child(
            int(tokens[one]),
            int(counts[one]),
            ordered[starts[one] : starts[one] + min(most, counts[one])].tolist(),
        )
        for one in by_size
    ]


def siblings(table: Rows, row: int) -> tuple[int, list[int]]:
    """How many first tokens the nearest others share with an item, and who they are."""
    same = np.cumprod(table == table[row], axis=1).sum(1)
    same[row] = 0
    shared = int(same.max(initial=0))
    return shared, np.flatnonzero(same == shared).tolist() if shared else []


def written(tokens: Sequence[int] | Rows) -> str:
    """A prefix as an address has it: 3.12.7"""
    return ".".join(str(int(one)) for one in tokens)


def read(text: str) -> list[int]:
    """The prefix that an address means. Raises `ValueError`."""
    return [int(one) for one in text.split(".")] if text else []
