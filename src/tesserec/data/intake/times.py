"""Times in any of the usual ways of writing them become whole seconds since 1970, UTC."""

import polars as pl

EARLIEST = 0
LATEST = 7_258_118_400  # the first second of 2200

_DATE = r"^\d{4}-\d{1,2}-\d{1,2}( |$)"
_SAMPLE = 10_000  # values looked at to tell the unit of whole numbers

# Seconds stay below 1e11 until the year 5138, milliseconds and microseconds likewise.
_UNITS = (("seconds", 10**11, 1), ("milliseconds", 10**14, 10**3), ("microseconds", 10**17, 10**6))
_LAYOUTS = (
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
)


def seconds(column: pl.Series) -> tuple[pl.Series, str]:
    """Int64 seconds, null where a value is no time, and how the values were understood."""
    dtype = column.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return column.dt.epoch("s").cast(pl.Int64), "dates"
    if dtype.is_integer():
        return _counted(column)
    if dtype.is_numeric():
        return _counted(_floored(column))
    if dtype == pl.String:
        return _written(column)
    return pl.Series(column.name, [None] * len(column), dtype=pl.Int64), "nothing"


def holds_dates(column: pl.Series) -> bool:
    """Whether a column is one of dates, or of text that reads as dates throughout."""
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return True
    if column.dtype != pl.String:
        return False
    known = column.drop_nulls().head(_SAMPLE).str.strip_chars()
    return bool(len(known)) and _dated(known).null_count() == 0


def _floored(column: pl.Series) -> pl.Series:
    return column.floor().cast(pl.Int64, strict=False)  # null for NaN and infinity


def _counted(column: pl.Series) -> tuple[pl.Series, str]:
    """Whole numbers: their size tells seconds from milliseconds, microseconds, nanoseconds."""
    column = column.cast(pl.Int64, strict=False)
    known = column.drop_nulls().head(_SAMPLE).abs()
    if len(known) and _are_dates(known):
        days = column.cast(pl.String).str.to_date("%Y%m%d", strict=False)
        return days.dt.epoch("s").cast(pl.Int64), "dates"
    middle = known.median()
    size = float(middle) if isinstance(middle, int | float) else 0.0
    for unit, limit, divisor in _UNITS:
        if size < limit:
            return column // divisor, unit
    return column // 10**9, "nanoseconds"


def _are_dates(known: pl.Series) -> bool:
    """Whether numbers like 20140512 are meant as dates; as seconds all lie in August 1970."""
    if not bool(known.is_between(19_700_101, 22_001_231).all()):
        return False
    return known.cast(pl.String).str.to_date("%Y%m%d", strict=False).null_count() == 0


def _written(column: pl.Series) -> tuple[pl.Series, str]:
    """Text: numbers, or dates in the order year, month, day. Zones are heeded."""
    text = column.str.strip_chars()
    known = text.drop_nulls().head(_SAMPLE)
    numbers = known.cast(pl.Float64, strict=False)
    if numbers.count() and numbers.count() >= _dated(known).count():
        whole = text.cast(pl.Int64, strict=False)
        if whole.null_count() > text.null_count():  # 1.4e9, or 1400000000.25
            whole = whole.fill_null(_floored(text.cast(pl.Float64, strict=False)))
        return _counted(whole)
    return _dated(text), "dates"


def _dated(text: pl.Series) -> pl.Series:
    """Dates by the first layout that fits each of them."""
    even = text.str.replace("T", " ", literal=True).str.replace(r"[Zz]$", "")
    even = even.str.replace_all(r"^(\d{4})[/.](\d{1,2})[/.]", "$1-$2-")
    even = even.str.replace(r"([+-]\d{2})(\d{2})$", "$1:$2")
    # Older polars panics, rather than finding nothing, where digits stand in other places.
    value = pl.when(even.str.contains(_DATE)).then(pl.lit(even))
    zoned, precise, minute = _LAYOUTS
    found = pl.coalesce(
        value.str.to_datetime(precise, time_unit="us", strict=False).dt.epoch("s"),
        value.str.to_datetime(minute, time_unit="us", strict=False).dt.epoch("s"),
        value.str.to_date("%Y-%m-%d", strict=False).dt.epoch("s"),
        value.str.to_datetime(zoned, time_unit="us", strict=False).dt.epoch("s"),
    )
    return pl.select(found.cast(pl.Int64).alias(text.name)).to_series()
