"""Vectors of items, checked by id: NaN, wrong width, missing rows and rows of zeros are named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core.errors import BadData
from tesserec.data.intake.columns import id_column
from tesserec.data.intake.entities import Things
from tesserec.data.intake.options import Columns
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.raw import Vectors
from tesserec.data.tables import ROW, Table

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Given:
    """Rows as a file holds them, and which of them belongs to each item; -1 for none."""

    rows: Floats  # [n, D]
    misshapen: NDArray[np.bool_]  # [n] of another width than most
    of_item: NDArray[np.int64]  # [I]
    count: int  # of rows that should belong to an item


def item_vectors(
    vectors: Vectors,
    items: Things | None,
    wanted: pl.Series,
    chosen: Columns,
    found: Findings,
) -> Tensor:
    """One row per wanted id, zeros where there is none to be had: [I, D] float32.

    `items` is the item table an array was made for, `wanted` every item there is.
    """
    if vectors.array is not None:
        place, table = vectors.array.name, _array(vectors.array)
        known = _by_number(table, wanted) if vectors.by_number else _by_order(table, items, place)
        misshapen = np.zeros(len(table) + 1, np.bool_)
        given = _Given(table.astype(np.float32), misshapen, _places(known, wanted), known.height)
    else:
        assert vectors.table is not None
        place, given = vectors.table.place, _from_table(vectors.table, wanted, chosen, found)
    is_given = given.of_item >= 0
    strange = given.count - int(is_given.sum())
    if strange:
        found.note(f"{place}: rows of no item: {strange:,}.")
    rows = given.rows[np.maximum(given.of_item, 0)]
    rows[~is_given] = 0
    misshapen = given.misshapen[np.maximum(given.of_item, 0)] & is_given
    is_number = np.isfinite(rows).all(axis=1)
    is_zero = is_given & ~misshapen & ~rows.any(axis=1)
    for which, reason, done in (
        (misshapen, "wrong width", "set to zero"),
        (~is_number, "NaN or infinity", "set to zero"),
        (~is_given, "no vector", "set to zero"),
        (is_zero, "nothing but zeros", "kept"),
    ):
        found.ids(place, reason, wanted.filter(pl.Series(which)).to_list(), done, "item")
    rows[~is_number] = 0
    return torch.from_numpy(rows)


def _array(path: Path) -> NDArray[Any]:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadData(f"{path.name} cannot be read: {error}.", "Save it with numpy.save.") from None
    if table.ndim != 2 or table.dtype.kind not in "fiub" or not len(table):
        raise BadData(
            f"{path.name} holds {table.dtype} of shape {table.shape}, not one vector an item.",
            "Save a table of numbers, one row an item.",
        )
    return cast(NDArray[Any], table)


def _by_order(table: NDArray[Any], items: Things | None, place: str) -> pl.DataFrame:
    """Rows in the order of the item table."""
    if items is None:
        raise BadData(f"{place} lies beside no item table.", "Its rows need one to go by.")
    if len(table) != items.count:
        raise BadData(
            f"{place} has {len(table)} rows, and the item table {items.count}.",
            "Save one row for each row of the item table, in its order.",
        )
    return pl.DataFrame({"id": items.frame["id"], "place": items.places})


def _by_number(table: NDArray[Any], wanted: pl.Series) -> pl.DataFrame:
    """Row n for the item whose id is n."""
    place = pl.int_range(len(table), eager=True)
    return pl.DataFrame({"id": place.cast(wanted.dtype), "place": place})


def _from_table(table: Table, wanted: pl.Series, chosen: Columns, found: Findings) -> _Given:
    """A table with an id and either one column of lists or a column for each number."""
    name = id_column(table.columns, "item", chosen, table.place)
    frame = table.load().frame
    rows, misshapen = _rows(frame.drop(ROW, name), table.place)
    ids = frame[name].cast(wanted.dtype, strict=False).alias("id")
    doubled = ids.filter(ids.is_duplicated()).unique().sort()
    found.ids(table.place, "several vectors", doubled.to_list(), "given the first", "item")
    known = ids.to_frame().with_row_index("place").unique("id", keep="first")
    return _Given(rows, misshapen, _places(known, wanted), known.height)


def _places(known: pl.DataFrame, wanted: pl.Series) -> NDArray[np.int64]:
    """Where each wanted id stands, -1 for nowhere."""
    asked = pl.DataFrame({"id": wanted})
    place = asked.join(known, on="id", how="left", maintain_order="left")["place"]
    return place.cast(pl.Int64).fill_null(-1).to_numpy()


def _rows(frame: pl.DataFrame, place: str) -> tuple[Floats, NDArray[np.bool_]]:
    """The numbers of each row, and which rows have another width than most."""
    if frame.width and all(dtype.is_numeric() for dtype in frame.dtypes):
        numbers = frame.cast(pl.Float32).fill_null(float("nan"))
        return numbers.to_numpy().copy(), np.zeros(frame.height, np.bool_)
    if frame.width != 1 or not isinstance(frame.dtypes[0], pl.List | pl.Array):
        raise BadData(
            f"{place} holds {', '.join(frame.columns)}, not an id and a vector.",
            "Give one column of lists, or a column for each number.",
        )
    lists = frame.to_series()
    if isinstance(lists.dtype, pl.Array):
        lists = lists.arr.to_list()
    lengths = lists.list.len().fill_null(0).to_numpy()
    width = int(np.bincount(lengths).argmax())
    rows = np.zeros((len(lengths), width), np.float32)
    flat = lists.filter(pl.Series(lengths == width)).explode().cast(pl.Float32)
    rows[lengths == width] = flat.fill_null(float("nan")).to_numpy().reshape(-1, width)
    return rows, lengths != width
