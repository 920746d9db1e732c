"""Report: all signals of one moment, and the days behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tesserec.evaluation.statistics import wilson
from tesserec.lifecycle.monitor import shifts, watching
from tesserec.lifecycle.monitor.live import DAY, Known, Live, daily
from tesserec.lifecycle.monitor.signals import Signal, Verdict, worst
from tesserec.lifecycle.monitor.trained import Trained

DAYS = 28.0  # that are looked back on
HITS = 10  # of an answer
WINDOW = float(DAY)  # seconds within which an answer is clicked


@dataclass(frozen=True)
class Share:
    """A share of one day; day 0 is the last one."""

    day: int
    tries: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """How a model does, in signals; times are seconds since 1970."""

    version: str
    moment: float
    since: float
    events: int
    answers: int
    signals: tuple[Signal, ...]
    clicks: tuple[Share, ...]  # of each day
    foreseen: tuple[Share, ...]
    popularity: tuple[tuple[float, float], ...]  # share in training and now, popular items first

    @property
    def verdict(self) -> Verdict:
        """That of the signal which asks for most."""
        return worst([one.verdict for one in self.signals])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "version": self.version,
            "verdict": self.verdict,
            "moment": _iso(self.moment),
            "since": _iso(self.since),
            "events": self.events,
            "answers": self.answers,
            "signals": [one.to_dict() for one in self.signals],
            "clicks": [vars(one) for one in self.clicks],
            "foreseen": [vars(one) for one in self.foreseen],
        }


def begins(trained: Trained | None, now: float, days: float = DAYS) -> float:
    """From when on events are news to a model: after those it learned from, `days` at most."""
    since = now - days * DAY
    if trained is None or trained.newest is None or trained.newest > now:
        return since
    return max(since, float(trained.newest))


def look(
    version: str, known: Known, trained: Trained | None, live: Live, written: float | None = None
) -> Report:
    """Everything that can be said; `written` is when the model's files were, if that is known."""
    clicks, answers = watching.clicks(live, WINDOW)
    foreseen, asked = watching.foresight(live, HITS, WINDOW)
    signals = [
        *watching.ages(trained, written, live.now),
        watching.rate(live, trained),
        *watching.new_ones(live, known),
        *shifts.popularity(live, known, trained),
        shifts.habits(live, trained),
        clicks,
        foreseen,
        watching.strangers(live, known),
        *watching.reach(live, known, trained),
    ]
    return Report(
        version,
        live.now,
        live.since,
        len(live.events),
        len(live.shown),
        tuple(signals),
        _days(answers, live.now),
        _days(asked, live.now),
        shifts.shares(live, known, trained),
    )


def _days(tries: pl.DataFrame, now: float) -> tuple[Share, ...]:
    rows: Sequence[tuple[int, int, int]] = daily(tries, now).rows()
    return tuple(Share(day, n, hits / n, *wilson(hits, n)) for day, n, hits in rows)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
