"""Ragged: rows of different length over one flat array."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ragged:
    """Row `b` is `values[starts[b]:ends[b]]`. Rows may overlap, so prefixes share memory."""

    values: Tensor  # [n]
    starts: Tensor  # [B]
    ends: Tensor  # [B]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Self:
        """From lists, one per row."""
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        values = torch.tensor([one for row in rows for one in row], dtype=torch.int64)
        return cls.packed(values, lengths)

    @classmethod
    def packed(cls, values: Tensor, lengths: Tensor) -> Self:
        """From values that lie row after row, and the length of each row."""
        ends = lengths.cumsum(0)
        return cls(values, ends - lengths, ends)

    @classmethod
    def grouped(cls, rows: Tensor, values: Tensor, count: int) -> Self:
        """From pairs (row, value) in any order; within a row the order of the pairs is kept."""
        order = torch.argsort(rows, stable=True)
        return cls.packed(values[order], torch.bincount(rows, minlength=count))

    @classmethod
    def empty(cls, count: int) -> Self:
        """`count` rows with nothing in them."""
        nothing = torch.zeros(count, dtype=torch.int64)
        return cls(torch.zeros(0, dtype=torch.int64), nothing, nothing)

    def __repr__(self) -> str:
        return f"Ragged({len(self):,} rows of {int(self.lengths.sum()):,} values)"

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: slice | Tensor) -> "Ragged":
        return Ragged(self.values, self.starts[rows], self.ends[rows])

    @property
    def lengths(self) -> Tensor:
        """[B]"""
        return self.ends - self.starts

    def row(self, index: int) -> Tensor:
        """The values of one row."""
        return self.values[self.starts[index] : self.ends[index]]

    def lists(self) -> list[list[int]]:
        """The rows as Python lists."""
        return [self.row(index).tolist() for index in range(len(self))]

    def places(self) -> tuple[Tensor, Tensor]:
        """For each value of each row, in order: the row [m] and the place in `values` [m]."""
        lengths = self.lengths
        rows = torch.repeat_interleave(torch.arange(len(self)), lengths)
        first = torch.repeat_interleave(self.starts - (lengths.cumsum(0) - lengths), lengths)
        return rows, first + torch.arange(len(rows))

    def pairs(self) -> tuple[Tensor, Tensor]:
        """All (row, value) pairs, row after row: [m], [m]."""
        rows, places = self.places()
        return rows, self.values[places]

    def compact(self) -> "Ragged":
        """The same rows over values that lie row after row, with nothing between them."""
        _, values = self.pairs()
        return Ragged.packed(values, self.lengths)

    def ordered(self) -> "Ragged":
        """The same rows, each sorted upwards."""
        rows, values = self.pairs()
        order = torch.argsort(values, stable=True)
        return Ragged.grouped(rows[order], values[order], len(self))

    def renumbered(self, numbers: Tensor) -> tuple["Ragged", Tensor]:
        """Each value as `numbers[value]`; what is -1 or becomes it is left out.

        Also which of the values of `pairs` were kept: [m] bool
        """
        rows, values = self.pairs()
        found = torch.full_like(values, -1)
        there = values >= 0
        found[there] = numbers[values[there]]
        kept = found >= 0
        return Ragged.grouped(rows[kept], found[kept], len(self)), kept

    def last(self, width: int) -> "Ragged":
        """At most the last `width` values of each row."""
        return Ragged(self.values, torch.maximum(self.starts, self.ends - width), self.ends)

    def padded(self, fill: int = -1) -> Tensor:
        """[B, longest], each row from the left, the rest `fill`."""
        rows, values = self.pairs()
        lengths = self.lengths
        width = int(lengths.max()) if len(self) else 0
        table = torch.full((len(self), width), fill, dtype=values.dtype)
        offsets = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
        table[rows, torch.arange(len(rows)) - offsets] = values
        return table
