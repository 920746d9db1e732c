"""The tables of items and users: ids checked, one row each, their place in the file kept."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tesserec.data.intake.checks import Check, id_checks, parted, shown
from tesserec.data.intake.columns import id_column
from tesserec.data.intake.ids import Ids
from tesserec.data.intake.options import Columns
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.types import settled
from tesserec.data.tables import ROW, Loaded, Table


@dataclass(frozen=True)
class Things:
    """Items, users or others: `id` and features, and where each row stood in the file."""

    frame: pl.DataFrame
    typed: bool
    places: NDArray[np.int64]  # from 0, among the rows of the file; vectors lie in this order
    count: int  # rows of the file, the unusable ones included
    id_name: str  # of the id's column in the file

    @property
    def ids(self) -> Ids:
        return Ids(self.frame["id"], self.typed)


def read_things(table: Table, role: str, chosen: Columns, found: Findings) -> Things:
    """A table of items, users or entities, whichever `role` says."""
    raw = id_column(table.columns, role, chosen, table.place)
    loaded = table.load()
    frame = loaded.frame
    if "id" in frame.columns and raw != "id":
        frame = frame.rename({"id": "id_given"})
        found.note(f"{table.place}: column 'id' is kept as 'id_given'.")
    frame = frame.rename({raw: "id"})
    dtype = frame.schema["id"]
    twice = pl.col("id").is_first_distinct().not_() & pl.col("id").is_not_null()
    checks = [
        *id_checks("id", raw, dtype, role),
        Check(f"{role} is there twice", raw, twice, shown("id", dtype)),
    ]
    good, bad = parted(Loaded(frame, loaded.broken), checks)
    found.rows(table.place, bad)
    rows = pl.concat([frame[ROW], loaded.broken[ROW]]).sort().to_numpy()
    places = np.searchsorted(rows, good[ROW].to_numpy())
    good = good.drop(ROW).select("id", pl.exclude("id"))
    if not table.typed:
        good = settled(good, good.columns[1:])
    return Things(good, table.typed, places, len(rows), raw)
