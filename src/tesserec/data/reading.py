"""Read: a path, or a frame in memory, as a Dataset."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

import polars as pl

from tesserec.core import Dataset
from tesserec.core.errors import BadData
from tesserec.data import format
from tesserec.data.importing import is_dataset, located, name_of
from tesserec.data.intake import Assembled, Columns, OnError, Raw, Vectors, assembled, checked
from tesserec.data.intake.columns import id_column, is_named
from tesserec.data.sources import source_of
from tesserec.data.tables import ROW, TEXT, Table, is_table, kind_of, lazy_table, open_table

if TYPE_CHECKING:
    import pandas as pd

Frame: TypeAlias = Union[pl.DataFrame, pl.LazyFrame, "pd.DataFrame"]


def read(path: str | Path, on_error: OnError = "fail", columns: Columns | None = None) -> Dataset:
    """The dataset at a path: a folder in the one format, or anything that can be imported.

    "sample" is the shipped data set. Rows that are left out because `on_error` says so are told
    in warnings. Pictures and sounds are read by `import_data` alone.
    """
    place = located(path)
    if is_dataset(place):
        return format.read(place)
    raw = source_of(place).tables(place)
    return _told(assembled(raw, name_of(place), checked(on_error), columns or Columns()))


def read_frame(
    interactions: Frame,
    items: Frame | None = None,
    users: Frame | None = None,
    on_error: OnError = "fail",
    columns: Columns | None = None,
) -> Dataset:
    """A dataset of frames in memory: polars (lazy or not) or pandas, columns as in a file.

    Row numbers in messages count from 1.
    """
    raw = Raw(
        interactions=_table(interactions, "interactions"),
        items=None if items is None else _table(items, "items"),
        users=None if users is None else _table(users, "users"),
    )
    return _told(assembled(raw, "data", checked(on_error), columns or Columns()))


def read_users(path: str | Path, column: str | None = None) -> list[Any]:
    """User ids from a file: one a line, or a table with a user column. Each is given once."""
    path = Path(path)
    if not path.is_file():
        raise BadData(f"{path} is not there.", "Check the path.")
    if not is_table(path) or kind_of(path) in TEXT:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        first = next((line for line in lines if line), "")
        if re.search(r"[,;\t|]", first) is None and not is_named(first, "user"):
            return list(dict.fromkeys(line for line in lines if line))
    table = open_table(path)
    name = id_column(table.columns, "user", Columns(user=column), table.place)
    return table.load().frame[name].drop_nulls().unique(maintain_order=True).to_list()


def read_items(path: str | Path, vectors: Sequence[str] = ()) -> Dataset:
    """Items without events: a data folder, or a table of items.

    Columns of lists that are called as one of `vectors` are the items' vectors. Files that a
    column names are looked for beside the table.
    """
    place = located(path)
    if not is_table(place):
        found = read(place)
        return replace(found, folder=found.folder or place)
    if not place.is_file():
        raise BadData(f"{place} is not there.", "Check the path.")
    frame = open_table(place).load().frame
    lists = [n for n in vectors if isinstance(frame.schema.get(n), pl.List | pl.Array)]
    table = open_table(place)
    name = id_column(table.columns, "item", Columns(), table.place)
    items = table.then(lambda one: one.drop(lists), [n for n in table.columns if n not in lists])
    tables = (Vectors(one, table=table.then(_picked(ROW, name, one), [name, one])) for one in lists)
    made = _told(
        assembled(Raw(items=items, vectors=tuple(tables)), name_of(place), "fail", Columns())
    )
    return replace(made, folder=place.parent)


def _picked(*names: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.select(names)


def _told(done: Assembled) -> Dataset:
    for problem in done.found.problems:
        warnings.warn(problem.line(), stacklevel=3)
    return done.data


def _table(frame: Any, name: str) -> Table:
    if isinstance(frame, pl.DataFrame | pl.LazyFrame):
        return lazy_table(frame.lazy(), name)
    if type(frame).__module__.startswith("pandas"):
        return lazy_table(_of_pandas(frame).lazy(), name)
    raise BadData(
        f"{name} is a {type(frame).__name__}.",
        "Give a polars or pandas frame, or a path to read().",
    )


def _of_pandas(frame: "pd.DataFrame") -> pl.DataFrame:
    """Column by column, so that one of mixed types becomes text and the others keep theirs."""
    columns = []
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        try:
            columns.append(cast(pl.Series, pl.from_pandas(column)).alias(str(name)))
        except (TypeError, ValueError, OverflowError, ImportError, pl.exceptions.PolarsError):
            missing = column.isna()
            pairs = zip(column, missing, strict=True)
            texts = [None if is_missing else str(value) for value, is_missing in pairs]
            columns.append(pl.Series(str(name), texts, dtype=pl.String))
    return pl.DataFrame(columns)
