"""The table of what happened: its columns told, its rows checked, its times made seconds."""

from dataclasses import dataclass
from itertools import chain

import polars as pl

from tesserec.core import Clock
from tesserec.core.errors import BadData
from tesserec.data.intake.checks import Check, id_checks, parted, shown
from tesserec.data.intake.columns import CANONICAL, event_columns, plain
from tesserec.data.intake.options import Columns
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.times import EARLIEST, LATEST, holds_dates, seconds
from tesserec.data.intake.types import settled
from tesserec.data.tables import ROW, Loaded, Table

_TIME, _WEIGHT = "__time__", "__weight__"

_PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "vali"), "valid"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_LABELS = {"0": "train", "1": "valid", "2": "test"}  # MMRec's x_label


@dataclass(frozen=True)
class Events:
    """What happened, by the engine's column names, ids as they lie in the file."""

    frame: pl.DataFrame
    typed: bool
    clock: Clock
    columns: dict[str, str]  # role -> its name in the file


def read_events(table: Table, chosen: Columns, found: Findings) -> Events:
    """Read, check and rename a table of events. Raises `BadData` as `found.on_error` says."""
    roles, is_order = event_columns(table.columns, chosen, table.place)
    loaded = table.load()
    if not loaded.frame.height and not loaded.broken.height:
        raise BadData(f"{table.place} has a header and no rows.", "Give a table with rows.")
    if loaded.empty:
        found.note(f"{table.place}: empty lines passed over: {loaded.empty:,}.")
    frame = _renamed(loaded.frame, roles, table.place, found)
    if "time" not in roles and chosen.time is None:
        for name in (name for name in frame.columns if holds_dates(frame[name])):
            found.note(
                f"{table.place}: no column has the name of a time, and {name!r} holds dates; "
                f"if they are the events' times, say --time-column {name}."
            )
    if "split" in roles:
        frame = frame.with_columns(split=_parts(frame["split"], roles["split"]))
    frame, checks = _converted(frame, roles, is_order, table.place, found)
    ids = (id_checks(role, roles[role], frame.schema[role], role) for role in ("user", "item"))
    good, bad = parted(Loaded(frame, loaded.broken), [*chain(*ids), *checks])
    found.rows(table.place, bad.drop(_TIME, _WEIGHT, strict=False))
    if not good.height:
        raise BadData(
            f"No row of {table.place} is left.", "Look at the reasons with --on-error fail."
        )
    clock: Clock = "none" if "time" not in roles else "order" if is_order else "seconds"
    return Events(_finished(good, table.typed), table.typed, clock, roles)


def _renamed(
    frame: pl.DataFrame, roles: dict[str, str], place: str, found: Findings
) -> pl.DataFrame:
    """Roles take their canonical names; a context column in their way steps aside."""
    names = {raw: role for role, raw in roles.items()}
    for name in frame.columns:
        if name in CANONICAL and name not in names:
            names[name] = f"{name}_given"
            found.note(f"{place}: column {name!r} is kept as {names[name]!r}.")
    return frame.rename(names)


def _converted(
    frame: pl.DataFrame, roles: dict[str, str], is_order: bool, place: str, found: Findings
) -> tuple[pl.DataFrame, list[Check]]:
    """Times and weights as numbers in columns of their own, and what must hold of them."""
    checks = []
    if "time" in roles:
        if is_order:
            time = _number(frame["time"], pl.Int64)
            found.note(f"{place}: {roles['time']} is taken as an order, not as a time.")
        else:
            time, unit = seconds(frame["time"])
            if unit != "seconds":
                found.note(f"{place}: {roles['time']} is read as {unit}.")
        frame = frame.with_columns(time.alias(_TIME))
        frame = _last_where_missing(frame, place, found)
        checks += _time_checks(roles["time"], frame.schema["time"], is_order)
    if "weight" in roles:
        weight = _number(frame["weight"], pl.Float32)
        frame = frame.with_columns(weight.alias(_WEIGHT))
        number = pl.col(_WEIGHT).is_finite().fill_null(False)
        value = shown("weight", frame.schema["weight"])
        checks.append(Check("weight is no number", roles["weight"], ~number, value))
    return frame, checks


def _time_checks(raw: str, dtype: pl.DataType, is_order: bool) -> list[Check]:
    time, value = pl.col(_TIME), shown("time", dtype)
    what = "position" if is_order else "time"
    blank = pl.col("time").is_null()
    if dtype == pl.String:
        blank = blank | (pl.col("time").str.strip_chars() == "")
    checks = [
        Check(f"missing {what}", raw, blank & time.is_null(), value),
        Check(f"unreadable {what}", raw, time.is_null(), value),
    ]
    if is_order:
        return checks
    return [
        *checks,
        Check("time before 1970", raw, time < EARLIEST, value),
        Check("time after 2200", raw, time >= LATEST, value),
    ]


def _last_where_missing(frame: pl.DataFrame, place: str, found: Findings) -> pl.DataFrame:
    """Held-out events of a published split may have no time: they come after all others.

    Each is put a second after its user's last known event, test after validation.
    """
    if "split" not in frame.columns:
        return frame
    later = pl.col("split").replace_strict({"valid": 1, "test": 2}, default=None)
    untold = pl.col("time").is_null() & pl.col(_TIME).is_null() & later.is_not_null()
    count = int(frame.select(untold.sum()).item())
    if not count:
        return frame
    found.note(
        f"{place}: held-out events without a time: {count:,}; each is put after its user's last."
    )
    last = pl.coalesce(pl.col(_TIME).max().over("user"), pl.col(_TIME).max())
    return frame.with_columns(pl.when(untold).then(last + later).otherwise(_TIME).alias(_TIME))


def _parts(column: pl.Series, raw: str) -> pl.Series:
    """The names of parts as they are usually written, others as they are."""
    text = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    names = {**_PARTS, **(_LABELS if plain(raw) == "xlabel" else {})}
    return text.replace(names)


def _finished(frame: pl.DataFrame, typed: bool) -> pl.DataFrame:
    """Converted columns in the place of the given ones; context with types."""
    if _TIME in frame.columns:
        frame = frame.with_columns(time=pl.col(_TIME)).drop(_TIME)
    if _WEIGHT in frame.columns:
        frame = frame.with_columns(weight=pl.col(_WEIGHT)).drop(_WEIGHT)
    if "kind" in frame.columns:
        frame = frame.with_columns(kind=pl.col("kind").cast(pl.String))
    frame = frame.drop(ROW)
    return frame if typed else settled(frame, [n for n in frame.columns if n not in CANONICAL])


def _number(column: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """Numbers, null where there is none."""
    if column.dtype.is_nested():
        return pl.Series(column.name, [None] * len(column), dtype=dtype)
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    return column.cast(dtype, strict=False)
