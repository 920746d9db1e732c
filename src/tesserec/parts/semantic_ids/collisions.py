"""Collisions: items with the same codes are told apart."""

from abc import abstractmethod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Codes, Spec

Count = Annotated[int, Field(ge=1)]


class Collisions(Spec):
    """What is done about items that a codebook gives the same codes."""

    @abstractmethod
    def apart(self, codes: Codes, popularity: Tensor) -> Codes:
        """Unique codes of all items; `popularity` [I] counts their events.

        The first levels stay as they are where that is possible.
        """

    @abstractmethod
    def added(self, before: Codes, new: Tensor) -> Codes:
        """Unique codes of old and new items, the old ones unchanged: [n, L] codes of the new."""


class ExtraLevel(Collisions):
    """One token more, which counts the items of the same codes, in the order of their rows.

    Rajput et al., NeurIPS 2023, arXiv:2305.05065, sec. 3.1.
    """

    room: Count = 64  # tokens the level has at least; twice the largest bucket where that is more

    def apart(self, codes: Codes, popularity: Tensor) -> Codes:
        rank = ranks(codes.table, self.order(popularity))
        return self._with(codes, rank)

    def added(self, before: Codes, new: Tensor) -> Codes:
        old = before.table[:, :-1]
        both = torch.cat([old, new])
        rank = ranks(both, torch.arange(len(both)))  # old ones first, whatever their number was
        _, bucket = both.unique(dim=0, return_inverse=True)
        last = torch.full((int(bucket.max()) + 1,), -1)
        last.scatter_reduce_(0, bucket[: len(old)], before.table[:, -1], "amax")
        there = torch.bincount(bucket[: len(old)], minlength=len(last))
        number = last[bucket] + 1 + rank - there[bucket]
        number[: len(old)] = before.table[:, -1]
        table = torch.cat([both, number[:, None]], 1)
        return _settled(table, before, len(old))

    def order(self, popularity: Tensor) -> Tensor:
        """Items in the order in which they are counted: [I]"""
        return torch.arange(len(popularity))

    def _with(self, codes: Codes, rank: Tensor) -> Codes:
        largest = int(rank.max()) + 1 if len(rank) else 1
        table = torch.cat([codes.table, rank[:, None]], 1)
        size = self.room if largest <= self.room else 2 * largest
        return Codes(table, (*codes.sizes, size), codes.codebook)


class PopularityLevel(ExtraLevel):
    """One token more, which ranks the items of the same codes, the most popular first.

    Liu et al., arXiv:2404.16555; equally popular ones in the order of their rows.
    """

    def order(self, popularity: Tensor) -> Tensor:
        return popularity.argsort(descending=True, stable=True)


def ranks(codes: Tensor, order: Tensor) -> Tensor:
    """The place of each item among those of the same codes, items met in this order: [n]"""
    if not len(codes):
        return torch.zeros(0, dtype=torch.int64)
    _, bucket, count = codes[order].unique(dim=0, return_inverse=True, return_counts=True)
    together = bucket.argsort(stable=True)
    first = (count.cumsum(0) - count)[bucket[together]]
    rank = torch.empty_like(bucket)
    rank[order[together]] = torch.arange(len(codes)) - first
    return rank


def _settled(table: Tensor, before: Codes, old: int) -> Codes:
    """New items whose last token would be beyond the level's size move to a free leaf nearby."""
    size = before.sizes[-1]
    beyond = torch.nonzero(table[:, -1] >= size)[:, 0].tolist()
    if beyond:
        taken = {tuple(row) for row in table.tolist() if row[-1] < size}
        for row in beyond:  # an item or two in a full bucket, never a catalogue
            table[row] = torch.tensor(free_leaf(table[row].tolist(), before.sizes, taken))
            taken.add(tuple(table[row].tolist()))
    return Codes(table, before.sizes, before.codebook)


def free_leaf(codes: list[int], sizes: tuple[int, ...], taken: set[tuple[int, ...]]) -> list[int]:
    """The codes that are not taken and share the longest prefix with these.

    Raises `BadData` where all are taken.
    """
    from itertools import product

    from tesserec.core.errors import BadData

    for level in range(len(sizes) - 1, -1, -1):
        for rest in product(*(range(size) for size in sizes[level:])):
            leaf = (*codes[:level], *rest)
            if leaf not in taken:
                return list(leaf)
    raise BadData(
        f"All {len(taken)} semantic ids are taken.", "Tokenize again with more codes or levels."
    )
