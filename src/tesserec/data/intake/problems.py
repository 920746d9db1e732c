"""What is wrong with the data, and what was done about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from tesserec.core.errors import BadData
from tesserec.data.intake.options import OnError
from tesserec.data.tables import REASON, ROW, VALUE

COLUMN = "__column__"
"""The column that is wrong, by its name in the file; "" where it is the whole row."""

_SHOWN = 5  # rows or ids in a message
_KEPT = 100  # in a report
_CURE = "Mend it, or import with --on-error skip (or quarantine)."


@dataclass(frozen=True)
class Problem:
    """One reason why some rows, or what belongs to some ids, could not be used as they are."""

    file: str
    reason: str
    count: int
    done: str  # "left out", "set to zero", ...
    column: str = ""
    rows: tuple[int, ...] = ()  # the first ones, from 1, a header counted
    values: tuple[str, ...] = ()  # beside `rows`
    ids: tuple[str, ...] = ()  # the first ones, where it is not about rows

    def line(self) -> str:
        """`ratings.csv: 2 rows left out, unreadable time (row 7: 'soon', row 9: '?')`"""
        pairs = list(zip(self.rows, self.values, strict=True))[:_SHOWN]
        where = [f"row {row}: {value[:40]!r}" for row, value in pairs] or self.ids[:_SHOWN]
        more = ", ..." if self.count > _SHOWN else ""
        counted = f"{self.count} {'row' if pairs else 'id'}{'' if self.count == 1 else 's'}"
        return f"{self.file}: {counted} {self.done}, {self.reason} ({', '.join(where)}{more})"

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}


class Findings:
    """Collects problems and notes while data are read; with `fail`, the first problem raises."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._quarantined: list[pl.DataFrame] = []

    def note(self, sentence: str) -> None:
        """Something a person should know, and need not mend."""
        self.notes.append(sentence)

    def rows(self, file: str, bad: pl.DataFrame) -> None:
        """Rows that are left out: ROW, REASON, COLUMN, VALUE, and what else they hold."""
        if not bad.height:
            return
        bad = bad.sort(ROW)
        if self.on_error == "fail":
            raise _refusal(file, bad)
        for (reason, column), rows in bad.group_by(REASON, COLUMN, maintain_order=True):
            first = rows.head(_KEPT)
            values = tuple("" if one is None else str(one) for one in first[VALUE])
            places = tuple(first[ROW].to_list())
            name = (str(reason), rows.height, "left out", str(column))
            self.problems.append(Problem(file, *name, places, values))
        self._quarantined.append(_as_text(file, bad))

    def ids(self, file: str, reason: str, ids: Sequence[Any], done: str, what: str) -> None:
        """Ids whose vectors, pictures or links cannot be used as they are."""
        if not len(ids):
            return
        texts = tuple(map(str, ids[:_KEPT]))
        if self.on_error == "fail":
            shown = ", ".join(texts[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
            count = f"{len(ids)} {what}{'' if len(ids) == 1 else 's'}"
            raise BadData(f"{file}: {reason} for {count}: {shown}.", _CURE)
        self.problems.append(Problem(file, reason, len(ids), done, ids=texts))

    def quarantine(self) -> pl.DataFrame | None:
        """Every row that was left out, as text, with its file, row, reason, column and value."""
        if self.on_error != "quarantine" or not self._quarantined:
            return None
        return pl.concat(self._quarantined, how="diagonal")


def _refusal(file: str, bad: pl.DataFrame) -> BadData:
    row, reason, column, value = bad.select(ROW, REASON, COLUMN, VALUE).row(0)
    where = f"{file}, row {row}" + (f", column {column!r}" if column else "")
    held = "" if value is None else f": {str(value)[:80]!r}"
    counts = bad[REASON].value_counts(sort=True).iter_rows()
    total = ", ".join(f"{count} {reason}" for reason, count in counts)
    return BadData(f"{where}: {reason}{held}. In all: {total}.", _CURE)


def _as_text(file: str, bad: pl.DataFrame) -> pl.DataFrame:
    own = {"row": bad[ROW], "reason": bad[REASON], "column": bad[COLUMN], "value": bad[VALUE]}
    columns = {"file": pl.repeat(file, bad.height, eager=True), **own}
    for name in bad.columns:
        if name not in (ROW, REASON, COLUMN, VALUE):
            texts = [None if one is None else str(one) for one in bad[name]]
            place = f"{name}_" if name in columns else name
            columns[place] = pl.Series(place, texts, dtype=pl.String)
    return pl.DataFrame(columns)
