"""A table as it lies in its file: its own column names, every row numbered, nothing left out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from tesserec.core.errors import BadData

ROW = "__row__"
"""The column of row numbers: from 1, a header counted, as a spreadsheet shows them."""

REASON = "__reason__"
VALUE = "__value__"
BROKEN = {ROW: pl.Int64, REASON: pl.String, VALUE: pl.String}


@dataclass(frozen=True)
class Loaded:
    """The rows of a file, and those that could not be taken apart."""

    frame: pl.DataFrame  # ROW, then the columns of the file
    broken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BROKEN))
    empty: int = 0  # lines without anything on them


@dataclass(frozen=True)
class Table:
    """What is known of a table before it is read, and how to read it."""

    place: str  # the name a person knows it by
    columns: tuple[str, ...]
    typed: bool  # False: everything is text, and what it means is still to be found out
    load: Callable[[], Loaded]

    def then(self, change: Callable[[pl.DataFrame], pl.DataFrame], columns: list[str]) -> "Table":
        """The same table with another shape, given once it is read."""

        def load() -> Loaded:
            loaded = self.load()
            return replace(loaded, frame=change(loaded.frame))

        return replace(self, columns=tuple(columns), load=load)

    def renamed(self, names: dict[str, str]) -> "Table":
        """The same table with some columns called otherwise."""
        new = [names.get(name, name) for name in self.columns]
        return self.then(lambda frame: frame.rename(names), new)


def lazy_table(frame: pl.LazyFrame, place: str) -> Table:
    """A table that polars reads with its types: parquet, or a frame in memory."""

    def load() -> Loaded:
        try:
            return Loaded(frame.with_row_index(ROW, 1).cast({ROW: pl.Int64}).collect())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise unreadable(place, error) from None

    try:
        columns = frame.collect_schema().names()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise unreadable(place, error) from None
    return Table(place, tuple(columns), True, load)


def parquet_table(path: Path) -> Table:
    """A parquet file. Raises `BadData` when it is none."""
    try:
        return lazy_table(pl.scan_parquet(path, glob=False), path.name)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise unreadable(path.name, error) from None


def unreadable(place: str, error: Exception) -> BadData:
    """The reader's complaint in one line."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BadData(f"{place} cannot be read: {reason}.", "Check that the file is whole.")
