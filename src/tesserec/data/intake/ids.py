"""Ids of one kind of thing, met in several tables, get one type: whole numbers, or text."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

# No leading zero, no plus sign, and it fits int64: as a number it is written just the same.
_NUMBER = r"^(0|-?[1-9][0-9]{0,17})$"


@dataclass(frozen=True)
class Ids:
    """A column of ids as one table holds them."""

    column: pl.Series
    typed: bool  # False: text that may mean numbers

    @property
    def are_numbers(self) -> bool:
        """Whether nothing is lost by taking these ids for whole numbers."""
        dtype = self.column.dtype
        if dtype == pl.Null or not len(self.column):
            return True
        if dtype == pl.String and not self.typed:
            return bool(self.column.drop_nulls().str.contains(_NUMBER).all())
        if dtype.is_float():
            return True
        return dtype.is_integer() and self.column.cast(pl.Int64, strict=False).null_count() == (
            self.column.null_count()
        )


def common_type(met: Iterable[Ids]) -> type[pl.DataType]:
    """Int64 where every table holds whole numbers, else String."""
    return pl.Int64 if all(ids.are_numbers for ids in met) else pl.String


def as_type(column: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """Ids in the type they share; 17.0 is 17."""
    if column.dtype.is_float():
        column = column.cast(pl.Int64)
    return column if column.dtype == dtype else column.cast(dtype)
