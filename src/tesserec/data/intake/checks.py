"""What makes a row unusable, as expressions over a whole table at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tesserec.data.intake.problems import COLUMN
from tesserec.data.tables import REASON, VALUE, Loaded

LONGEST_ID = 512  # characters

_MARK = "__wrong__"
_CONTROL = r"\p{Cc}"


@dataclass(frozen=True)
class Check:
    """A reason, the column it is about by its name in the file, and where it holds."""

    reason: str
    column: str
    wrong: pl.Expr
    value: pl.Expr  # what a person is shown


def id_checks(name: str, raw: str, dtype: pl.DataType, what: str) -> list[Check]:
    """What an id must not be: missing, blank, endless, unprintable, a fraction."""
    column, value = pl.col(name), shown(name, dtype)
    missing = column.is_null()
    found = []
    if dtype == pl.String:
        missing = missing | (column.str.strip_chars() == "")
        found = [
            Check(f"{what} id too long", raw, column.str.len_chars() > LONGEST_ID, value),
            Check(f"control character in {what} id", raw, column.str.contains(_CONTROL), value),
        ]
    elif dtype.is_float():
        missing = missing | ~column.is_finite()
        found = [Check(f"{what} id is a fraction", raw, column != column.floor(), value)]
    elif dtype.is_nested():
        found = [Check(f"{what} id is a list", raw, column.is_not_null(), value)]
    return [Check(f"missing {what}", raw, missing, value), *found]


def shown(name: str, dtype: pl.DataType) -> pl.Expr:
    """A value as a person is shown it."""
    return pl.lit("a list") if dtype.is_nested() else pl.col(name).cast(pl.String, strict=False)


def parted(loaded: Loaded, checks: Sequence[Check]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows nothing is wrong with, and the others with the first reason of each."""
    frame = loaded.frame
    marks = frame.select(
        check.wrong.fill_null(False).alias(str(n)) for n, check in enumerate(checks)
    )
    is_wrong = marks.select(pl.any_horizontal(pl.all()).alias("wrong")).to_series()
    broken = loaded.broken.with_columns(pl.lit("").alias(COLUMN))
    if not is_wrong.any():
        return frame, broken
    marked = pl.concat([frame, marks.select(pl.all().name.prefix(_MARK))], how="horizontal")
    bad = marked.filter(is_wrong).with_columns(
        _first([pl.lit(check.reason) for check in checks]).alias(REASON),
        _first([pl.lit(check.column) for check in checks]).alias(COLUMN),
        _first([check.value for check in checks]).alias(VALUE),
    )
    bad = bad.drop(f"{_MARK}{n}" for n in range(len(checks)))
    return frame.filter(~is_wrong), pl.concat([bad, broken], how="diagonal")


def _first(values: Sequence[pl.Expr]) -> pl.Expr:
    """The value beside the first check that failed."""
    return pl.coalesce(pl.when(f"{_MARK}{n}").then(value) for n, value in enumerate(values))
