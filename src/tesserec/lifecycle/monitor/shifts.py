"""Shifts: do people choose other items than in training, and do they do as much?"""

from dataclasses import replace

import numpy as np

from tesserec.lifecycle.monitor.drift import (
    Counts,
    by_chance,
    divergence,
    grouped,
    stability,
    stability_by_chance,
)
from tesserec.lifecycle.monitor.live import Known, Live, counted
from tesserec.lifecycle.monitor.signals import (
    FEW,
    NOT_NOTED,
    REFIT,
    UPDATE,
    Limit,
    Signal,
    Verdict,
    if_needed,
)
from tesserec.lifecycle.monitor.trained import Trained, activity

INDEX = Limit(0.1, 0.25)  # the usual rule: a slight and a large shift (Siddiqi, 2006)
DISTANCE = Limit(0.1, 0.3)  # 0.1 is where common tools begin to warn


def popularity(live: Live, known: Known, trained: Trained | None) -> list[Signal]:
    """Are the same items popular? Among those the model knows: `new_items` counts the others."""
    titles = "Shift among popular and rare items", "Shift from item to item"
    before, now = beside(live, known, trained)
    if trained is None or not before.any():
        index = Signal("popularity_index", titles[0], "index", None, "unknown", NOT_NOTED)
        return [index, replace(index, name="popularity_distance", title=titles[1], unit="distance")]
    chance, apart = by_chance(before, now) if now.sum() else (0.0, 1.0)
    old, new = grouped(before, now)
    says = f"Items were put into {len(old)} groups by popularity in training; how the events are "
    says += "shared among these changed by an index of {value}."
    index = _index("popularity_index", titles[0], old, new, says, chance)
    distance = _distance(titles[1], before, now, apart)
    return [_beside(index, trained.usual_shift), _beside(distance, trained.usual_distance)]


def _beside(signal: Signal, usual: float | None) -> Signal:
    """The same beside what was usual in training, which is worth watching at most."""
    if usual is None or signal.value is None:
        return signal
    says = f"{signal.says} In training the newest tenth was {usual:.3f} away from the rest."
    is_usual = signal.verdict == "act" and signal.value <= usual
    verdict: Verdict = "watch" if is_usual else signal.verdict
    return replace(signal, says=says, training=usual, verdict=verdict)


def shares(live: Live, known: Known, trained: Trained | None) -> tuple[tuple[float, float], ...]:
    """The share of the events in training and now of each group of items, the popular first."""
    before, now = beside(live, known, trained)
    if not before.any() or not now[before > 0].any():
        return ()
    old, new = grouped(before, now)
    return tuple(zip((old / old.sum()).tolist(), (new / new.sum()).tolist(), strict=True))


def habits(live: Live, trained: Trained | None) -> Signal:
    """Do people do as much in a day as they did in training?"""
    title = "Shift in how active people are"
    if trained is None or not sum(trained.activity):
        return Signal("activity_index", title, "index", None, "unknown", NOT_NOTED)
    old, new = np.array(trained.activity), np.array(activity(live.events))
    either = (old + new) > 0
    says = "How many events people have on a day they come changed by an index of {value}."
    name, what = "activity_index", "days of people"
    return _index(name, title, old[either], new[either], says, what=what)


def beside(live: Live, known: Known, trained: Trained | None) -> tuple[Counts, Counts]:
    """Events in training and now of each item that either has, of those the model knows."""
    now = counted(live.events["item"], known.items).to_numpy()
    before = np.zeros_like(now) if trained is None else trained.counts(known.items)
    either = (before + now) > 0
    return before[either], now[either]


def _index(
    name: str,
    title: str,
    old: Counts,
    new: Counts,
    says: str,
    bias: float = 0.0,
    what: str = "events",
) -> Signal:
    """A stability index, judged where chance alone could not reach the limit."""
    many = int(new.sum())
    chance = stability_by_chance(len(old), int(old.sum()), many)
    if chance > INDEX.watch or not many:
        told = f"{many:,} {what} beside {int(old.sum()):,} in training are too few: chance alone "
        told += "could move them as far as a real shift."
        return Signal(name, title, "index", None, "too few", told, counted=many)
    value = max(0.0, stability(old, new) - bias)
    verdict = INDEX.verdict(value)
    told = says.format(value=f"{value:.3f}")
    told += f" Below {INDEX.watch} is no shift, {INDEX.act} and more a large one."
    advice = if_needed(verdict, f"{UPDATE} Where that is not enough: {REFIT}")
    return Signal(name, title, "index", value, verdict, told, advice, counted=many)


def _distance(title: str, before: Counts, now: Counts, chance: float) -> Signal:
    """The Jensen-Shannon distance of item shares, less what chance makes of as few events."""
    many, name = int(now.sum()), "popularity_distance"
    if many < FEW or chance > 0.5:
        told = f"{many:,} events on {len(now):,} items are too few to tell a shift from chance."
        return Signal(name, title, "distance", None, "too few", told, counted=many)
    found = divergence(before, now)
    value = float(np.sqrt(max(0.0, found - chance)))
    verdict = DISTANCE.verdict(value)
    told = f"The shares of single items lie {np.sqrt(found):.3f} from those of training "
    told += "(Jensen-Shannon distance, 0 to 1). As many events would lie "
    told += f"{np.sqrt(chance):.3f} away by chance, which is taken off."
    advice = if_needed(verdict, UPDATE)
    return Signal(name, title, "distance", value, verdict, told, advice, counted=many)
