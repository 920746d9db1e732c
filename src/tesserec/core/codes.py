"""Codes: what a catalogue's items are called by a model that writes them token by token."""

from dataclasses import dataclass

from torch import Tensor, nn

from tesserec.core.errors import BadData


@dataclass(frozen=True, eq=False)
class Codes:
    """A tuple of L tokens for each item. Where no two items share one, these are semantic ids."""

    table: Tensor  # [I, L] int64, from 0 at each level
    sizes: tuple[int, ...]  # tokens each level may have, as many as there will ever be
    codebook: nn.Module | None = None  # what made them, if it is at hand

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or self.table.shape[1] != len(self.sizes):
            shape = list(self.table.shape)
            raise BadData(f"Codes of {len(self.sizes)} levels have a table of shape {shape}.")
        for level, (column, size) in enumerate(zip(self.table.T, self.sizes, strict=True)):
            if len(column) and (int(column.min()) < 0 or int(column.max()) >= size):
                raise BadData(
                    f"Level {level + 1} of the codes has tokens 0 to {size - 1}, and the table "
                    f"holds {int(column.min())} to {int(column.max())}."
                )

    def __repr__(self) -> str:
        return f"Codes({len(self):,} items, sizes={self.sizes})"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def levels(self) -> int:
        """L"""
        return len(self.sizes)

    @property
    def distinct(self) -> int:
        """How many different tuples there are."""
        return len(self.table.unique(dim=0)) if len(self.table) else 0

    @property
    def unique(self) -> bool:
        """Whether no two items share a tuple."""
        return self.distinct == len(self.table)
