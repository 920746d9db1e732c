"""Trained: what a model learned from, in the few figures that a monitor needs.

    trained_on/items.parquet   how many events each item had
    trained_on/facts.json      when, up to which event, and how active people were

Nothing in it is about one person.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from tesserec.core import Dataset
from tesserec.core.errors import BadData
from tesserec.core.files import read_json, replacing_folder, verify, write_json
from tesserec.lifecycle.monitor.drift import Counts, by_chance, divergence, popularity_shift

TRAINED = "trained_on"  # the folder inside a run
DAY = 86_400  # seconds
ACTIVE = 6  # bins of a person's events in a day: 1, 2-3, 4-7, 8-15, 16-31, more
LATER = 0.1  # the newest share of the events, which is compared with those before


@dataclass(frozen=True, eq=False)
class Trained:
    """Times are seconds since 1970, and None where the data had none."""

    items: pl.DataFrame  # item (as text), events
    moment: float  # when it was learned
    first: int | None
    newest: int | None
    activity: tuple[int, ...]  # how many days of people fall into each bin
    # Of the newest tenth of the events beside the others, chance taken off; None without an order.
    usual_shift: float | None
    usual_distance: float | None

    @classmethod
    def of(cls, data: Dataset, moment: float | None = None) -> "Trained":
        """Of the data that a model is fitted on, now if nothing else is said."""
        frame, counts = data.interactions.frame, data.popularity.numpy()
        timed = data.interactions.clock == "seconds" and len(frame) > 0
        column = {"item": data.catalog.items.ids.cast(pl.String), "events": counts}
        return cls(
            pl.DataFrame(column).filter(pl.col("events") > 0),
            time.time() if moment is None else moment,
            int(frame["time"].min()) if timed else None,  # type: ignore[arg-type]
            int(frame["time"].max()) if timed else None,  # type: ignore[arg-type]
            activity(frame) if timed else (0,) * ACTIVE,
            *(_usual(frame, len(counts)) if data.interactions.clock != "none" else (None, None)),
        )

    @property
    def events(self) -> int:
        """How many it learned from."""
        return int(self.items["events"].sum())

    @property
    def per_day(self) -> float | None:
        """Events a day, from the first to the newest; None where they have no times."""
        if self.first is None or self.newest is None or self.newest - self.first < DAY:
            return None
        return self.events * DAY / (self.newest - self.first)

    def counts(self, among: pl.Series) -> Counts:
        """Events of each of these items, 0 for those it has not: [n]"""
        there = among.alias("item").to_frame()
        found = there.join(self.items, on="item", how="left", maintain_order="left")["events"]
        return found.fill_null(0).cast(pl.Int64).to_numpy()

    def plus(self, more: "Trained") -> "Trained":
        """What it has learned from after it learned from more."""
        both = pl.concat([self.items, more.items]).group_by("item", maintain_order=True)
        return replace(
            more,
            items=both.agg(pl.col("events").sum()),
            first=min((one for one in (self.first, more.first) if one is not None), default=None),
            newest=max(
                (one for one in (self.newest, more.newest) if one is not None), default=None
            ),
            activity=tuple(a + b for a, b in zip(self.activity, more.activity, strict=True)),
            usual_shift=self.usual_shift,
            usual_distance=self.usual_distance,
        )

    def save(self, folder: Path) -> None:
        """Write it into a run folder, whole or not at all."""
        facts = {
            "moment": self.moment,
            "first": self.first,
            "newest": self.newest,
            "activity": list(self.activity),
            "usual_shift": self.usual_shift,
            "usual_distance": self.usual_distance,
        }
        with replacing_folder(folder / TRAINED) as aside:
            self.items.write_parquet(aside / "items.parquet")
            write_json(aside / "facts.json", facts)

    @classmethod
    def read(cls, folder: Path) -> "Trained | None":
        """Of a run folder; None for one from before this was noted. Raises `DamagedFile`."""
        place = folder / TRAINED
        if not place.is_dir():
            return None
        verify(place)
        facts = read_json(place / "facts.json")
        items = pl.read_parquet(place / "items.parquet")
        try:
            return cls(items, **{**facts, "activity": tuple(facts["activity"])})
        except (TypeError, KeyError):
            raise BadData(
                f"{place} was written by another version.", "Fit the run again."
            ) from None


def activity(events: pl.DataFrame) -> tuple[int, ...]:
    """How many days of people held 1, 2-3, 4-7, ... events; `events` has user and time."""
    if not len(events):
        return (0,) * ACTIVE
    days = events.group_by("user", pl.col("time") // DAY).len()["len"].to_numpy()
    bins = np.minimum(np.log2(days).astype(np.int64), ACTIVE - 1)
    return tuple(np.bincount(bins, minlength=ACTIVE).tolist())


def _usual(frame: pl.DataFrame, items: int) -> tuple[float | None, float | None]:
    """How far popularity moved inside the training itself; rows are in the order of time."""
    newest = int(LATER * len(frame))
    if not newest:
        return None, None
    rows = frame["item"].to_numpy()
    before, later = (np.bincount(one, minlength=items) for one in (rows[:-newest], rows[-newest:]))
    shift, apart = by_chance(before, later)
    return (
        max(0.0, popularity_shift(before, later) - shift),
        float(np.sqrt(max(0.0, divergence(before, later) - apart))),
    )
