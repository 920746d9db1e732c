"""Each thing that is watched becomes a signal. Limits without a source are ours."""

import numpy as np
import polars as pl

from tesserec.lifecycle.monitor.drift import (
    drawn,
    gini,
)
from tesserec.lifecycle.monitor.live import Known, Live, clicked, counted, foreseen
from tesserec.lifecycle.monitor.signals import (
    FEW,
    NOT_NOTED,
    REFIT,
    UPDATE,
    Limit,
    Signal,
    Verdict,
    age,
    fallen,
    if_needed,
    ratio,
    share,
    shown,
)
from tesserec.lifecycle.monitor.trained import Trained

AGE = Limit(30, 90)  # days
NEW_ITEMS = Limit(0.05, 0.2)  # of the events
NEW_PEOPLE = Limit(0.25, 0.5)
STRANGERS = Limit(0.25, 0.5)  # of the answers
CONCENTRATION = Limit(0.15, 0.3)  # of Gini's coefficient above that of training
COVERED = Limit(0.5, 0.8)  # of what lots would cover, left out
CROWD = 5  # people who chose a new item, before it is named


def ages(trained: Trained | None, moment: float | None, now: float) -> list[Signal]:
    """How old the model is, and what it knows; `moment` is when it was written, if known."""
    learned = moment if trained is None else trained.moment
    newest = None if trained is None else trained.newest
    return [
        age(
            "age",
            "Age of the model",
            None if learned is None else now - learned,
            AGE,
            "The model learned {days} ago.",
            UPDATE + " " + REFIT,
        ),
        age(
            "newest_event",
            "Age of what it knows",
            None if newest is None else now - newest,
            AGE,
            "The newest event it learned from is {days} old.",
            UPDATE,
        ),
    ]


def new_ones(live: Live, known: Known) -> list[Signal]:
    """Events about items and people that the model does not know."""
    events = live.events
    new = events.join(known.items.alias("item").to_frame(), on="item", how="anti")
    names = _crowded(new)
    named = f" The most frequent: {', '.join(names)}." if names else ""
    return [
        share(
            "new_items",
            "Events on new items",
            len(new),
            len(events),
            NEW_ITEMS,
            "{share} of the events ({hits} of {tries}) are on items the model does not know and "
            "cannot recommend." + named,
            "Take the items in: tesserec update RUN --items FILE. A method that cannot has to be "
            "fitted again.",
        ),
        share(
            "new_people",
            "Events of new people",
            _unmet(events, known),
            len(events),
            NEW_PEOPLE,
            "{share} of the events ({hits} of {tries}) are of people the model has not learned "
            "from. It answers them by what they did since, or as strangers.",
            UPDATE,
        ),
    ]


def rate(live: Live, trained: Trained | None) -> Signal:
    """Events a day, now and in training."""
    if live.first is None:
        says = "No event has come yet: clients send them to POST /v1/events."
        return Signal("event_rate", "Events a day", "times", None, "too few", says, counted=0)
    return ratio(
        "event_rate",
        "Events a day",
        len(live.events),
        live.days,
        None if trained is None else trained.per_day,
        "{now} events come a day; in training it were {before}.",
        "Look whether all events still arrive, each once, and whether the training data were a "
        "selection. Where people really act otherwise now, let it learn from that.",
    )


def strangers(live: Live, known: Known) -> Signal:
    """Answers to people of whom the model knows nothing."""
    return share(
        "strangers",
        "Answers to strangers",
        _unmet(live.shown, known),
        len(live.shown),
        STRANGERS,
        "{share} of the answers ({hits} of {tries}) went to people without an id or unknown to "
        "the model: from a history, or from what is answered to everybody.",
        UPDATE + " A method that reads histories answers newcomers better.",
    )


def reach(live: Live, known: Known, trained: Trained | None) -> list[Signal]:
    """How much of the catalogue is shown, and how evenly, beside lots drawn by popularity."""
    titles = "Catalogue that is shown", "Concentration of what is shown"
    places = live.shown["items"].explode().drop_nulls()
    size, many = len(known.items), len(places)
    if not many or not size:
        says = "No answer was noted. They are while traffic is split, or with --set noted=0.1."
        return [
            Signal("coverage", titles[0], "share", None, "too few", says, counted=0),
            Signal("concentration", titles[1], "index", None, "too few", says, counted=0),
        ]
    counts = counted(places, known.items).to_numpy().astype(np.int64)
    covered, unequal = float((counts > 0).mean()), gini(counts)
    says = f"{shown(covered, 'share')} of the catalogue were shown, in {many:,} places."
    even = f"Places are shared among items with a Gini coefficient of {unequal:.3f}."
    if trained is None or not trained.events:
        return [
            Signal("coverage", titles[0], "share", covered, "unknown", f"{says} {NOT_NOTED}"),
            Signal("concentration", titles[1], "index", unequal, "unknown", f"{even} {NOT_NOTED}"),
        ]
    learned = trained.counts(known.items)
    lots = drawn(learned if learned.any() else np.ones_like(learned), many)
    usual, spread = float((lots > 0).mean()), float(np.mean([gini(one) for one in lots]))
    says += f" As many drawn by popularity in training would show {shown(usual, 'share')}."
    even += f" As many drawn by popularity in training would have {spread:.3f}."
    advice = "Mix the answers: MMR, DPP or Explore in a pipeline show more of the catalogue."
    judged = len(live.shown) >= FEW
    wide: Verdict = COVERED.verdict(1 - covered / usual) if judged else "too few"
    dense: Verdict = CONCENTRATION.verdict(unequal - spread) if judged else "too few"
    return [
        Signal("coverage", titles[0], "share", covered, wide, says, if_needed(wide, advice),
               training=usual, counted=many),
        Signal("concentration", titles[1], "index", unequal, dense, even, if_needed(dense, advice),
               training=spread, counted=many),
    ]  # fmt: skip


def clicks(live: Live, window: float) -> tuple[Signal, pl.DataFrame]:
    """Which share of the answers was clicked, and whether that falls; also each answer."""
    tries = clicked(live, window)
    what = "Of {tries} answers to people with an id {share} were clicked."
    do = f"Compare with another version before all is lost: POST /v1/models/split. {UPDATE}"
    return fallen("clicks", "Click rate", *_halves(tries), what, do), tries


def foresight(live: Live, k: int, window: float) -> tuple[Signal, pl.DataFrame]:
    """Which share of the events was foreseen, and whether that falls; also each event.

    Each event is asked about before the model could learn from it (prequential). People choose
    among what they are shown: it is no figure to compare with that of a test.
    """
    tries = foreseen(live, k, window)
    what = f"Of {{tries}} events after an answer {{share}} were on one of its first {k} items."
    return fallen("foreseen", f"Foreseen, hit@{k}", *_halves(tries), what, UPDATE), tries


def _unmet(rows: pl.DataFrame, known: Known) -> int:
    """How many rows have a user whom the model does not know, or none."""
    return len(rows.join(known.users.alias("user").to_frame(), on="user", how="anti"))


def _halves(tries: pl.DataFrame) -> tuple[tuple[int, int], tuple[int, int]]:
    """Hits and tries of the older and of the newer half of the time."""
    if not len(tries):
        return (0, 0), (0, 0)
    time = tries["time"]
    middle = (time.min() + time.max()) / 2  # type: ignore[operator]
    parts = [tries.filter(time <= middle)["is_hit"], tries.filter(time > middle)["is_hit"]]
    older, newer = ((int(part.sum()), len(part)) for part in parts)
    return older, newer


def _crowded(events: pl.DataFrame) -> list[str]:
    """The items most events are on, of those that several people chose."""
    items = events.group_by("item").agg(pl.len(), people=pl.col("user").n_unique())
    items = items.filter(pl.col("people") >= CROWD).sort("len", "item", descending=[True, False])
    return items["item"].head(5).to_list()
