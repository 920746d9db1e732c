"""Live: what happened and what was shown since a model learned, and simple counts of both."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from tesserec.core import Catalog

EVENTS: dict[str, Any] = {"user": pl.String, "item": pl.String, "time": pl.Int64}
SHOWN: dict[str, Any] = {"user": pl.String, "items": pl.List(pl.String), "time": pl.Float64}
DAY = 86_400  # seconds


@dataclass(frozen=True, eq=False)
class Known:
    """The ids that a model has, as text."""

    items: pl.Series
    users: pl.Series

    @classmethod
    def of(cls, catalog: Catalog) -> "Known":
        """Those of a catalogue."""
        return cls(catalog.items.ids.cast(pl.String), catalog.users.ids.cast(pl.String))


@dataclass(frozen=True, eq=False)
class Live:
    """Events and answers of a stretch of time, in seconds since 1970."""

    events: pl.DataFrame  # user, item, time
    shown: pl.DataFrame  # user (none for those without an id), items (best first), time
    since: float
    now: float
    first: float | None = None  # the time of the oldest event that was read, whenever it was

    @classmethod
    def between(cls, events: pl.DataFrame, shown: pl.DataFrame, since: float, now: float) -> "Live":
        """Only what lies after `since`; events of the future are not believed."""
        late = pl.col("time").is_between(since, now, closed="right")
        past = events.filter(pl.col("time") <= now)["time"]
        first = float(past.min()) if len(past) else None  # type: ignore[arg-type]
        return cls(events.filter(late), shown.filter(late), since, now, first)

    @property
    def days(self) -> float:
        """For how long events were taken in: no longer than there is one at all."""
        begin = self.now if self.first is None else max(self.since, self.first)
        return (self.now - begin) / DAY


def counted(ids: pl.Series, among: pl.Series) -> pl.Series:
    """How often each of `among` is in `ids`: [n]"""
    counts = ids.drop_nulls().alias("id").to_frame().group_by("id").len()
    there = among.alias("id").to_frame().join(counts, on="id", how="left", maintain_order="left")
    return there["len"].fill_null(0).cast(pl.Int64)


def clicked(live: Live, window: float) -> pl.DataFrame:
    """Of each answer to somebody with an id whether any item was clicked: time, is_hit.

    A click is what the report of traffic takes for one: an event of that user with an item that
    was shown, at most `window` seconds after. Events tell whole seconds, so one in the second of
    the answer counts, too.
    """
    shown = live.shown.filter(pl.col("user").is_not_null()).with_row_index("place")
    begun = shown.rename({"time": "shown"}).join(live.events, on="user", how="semi")
    found = (
        begun.explode("items")
        .rename({"items": "item"})
        .join(live.events, on=["user", "item"])
        .filter(pl.col("time") > pl.col("shown") - 1, pl.col("time") <= pl.col("shown") + window)
    )
    hits = found.select("place", is_hit=pl.lit(True)).unique()
    return shown.join(hits, on="place", how="left", maintain_order="left").select(
        "time", pl.col("is_hit").fill_null(False)
    )


def foreseen(live: Live, k: int, window: float) -> pl.DataFrame:
    """Of each event whether its item was in the first k of the last answer to that user before it.

    Events that no answer preceded within `window` seconds are left out: time, is_hit.
    """
    shown = (
        live.shown.filter(pl.col("user").is_not_null())
        .with_columns(pl.col("time").floor().cast(pl.Int64), pl.col("items").list.head(k))
        .sort("time", maintain_order=True)
    )
    events = live.events.sort("time", maintain_order=True)
    found = events.join_asof(
        shown, on="time", by="user", tolerance=int(window), check_sortedness=False
    )
    there = found.filter(pl.col("items").is_not_null())
    return there.select("time", is_hit=pl.col("items").list.contains(pl.col("item")))


def daily(tries: pl.DataFrame, now: float) -> pl.DataFrame:
    """Tries and hits of each day; day 0 is the last one, -1 that before: day, tries, hits"""
    day = -((now - pl.col("time")) // DAY).cast(pl.Int64)
    counts = (pl.len().cast(pl.Int64), pl.col("is_hit").sum().cast(pl.Int64))
    return tries.group_by(day=day).agg(tries=counts[0], hits=counts[1]).sort("day")
