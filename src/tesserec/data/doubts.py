"""What should make one look twice at a dataset, each as a sentence."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from tesserec.core import Dataset

_YEAR_1973 = 100_000_000  # seconds; earlier times are rarely seconds
_DAY = 86_400
_NO_IDS = ("null", "nan", "none", "undefined", "unknown", "na", "n/a", "nil", "-1", "?")


def doubts(data: Dataset, now: int) -> list[str]:
    """Every warning that applies, in the order in which people should read them."""
    if not len(data.interactions):
        return ["There are no events: nothing can be learned but from content."]
    looks: list[Callable[[Dataset, int], Iterator[str]]] = [_copies, _times, _users, _ids]
    return [sentence for look in looks for sentence in look(data, now)]


def _copies(data: Dataset, now: int) -> Iterator[str]:
    frame = data.interactions.frame
    plain = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    copies = frame.height - frame.select(plain).n_unique()
    if copies:
        yield f"Exact copies of other events: {copies:,}; deduplicate keeps one of each."


def _times(data: Dataset, now: int) -> Iterator[str]:
    events = data.interactions
    if events.clock != "seconds":
        return
    times = events.frame["time"]
    future = int((times > now).sum())
    if future:
        yield f"Events in the future: {future:,}."
    if int(times.max() or 0) < _YEAR_1973:  # type: ignore[arg-type]
        yield "All times lie before 1973: perhaps they are no seconds."
    counts = times.value_counts(sort=True)
    most = int(counts["count"][0])
    if counts.height == 1:
        yield "All events have the same time: a split by time is impossible."
    elif most > len(times) / 2:
        yield f"{most:,} of {len(times):,} events share one time: a split by time is impossible."
    elif (times % _DAY == int(times[0]) % _DAY).all() and counts.height > 1:
        yield "Times are whole days: what came first within a day is not known."
    alone = events.frame.group_by("user").agg(pl.len(), moments=pl.col("time").n_unique())
    several = alone.filter(pl.col("len") > 1)
    still = several.filter(pl.col("moments") == 1).height
    if counts.height > 1 and still > several.height / 2:
        yield f"Users who did everything at one moment: {still:,} of {several.height:,}; no order."


def _users(data: Dataset, now: int) -> Iterator[str]:
    events = data.interactions.frame["user"].value_counts()["count"].to_numpy()
    single = int((events == 1).sum())
    if single:
        share = 100 * single / len(events)
        yield f"Users with one event: {single:,} ({share:.2g} %); nothing of theirs to hold out."
    if len(events) >= 100 and events.max() > 0.05 * events.sum():
        row = int(np.bincount(data.interactions.users.numpy()).argmax())
        name = data.catalog.users.ids[row]
        share = 100 * events.max() / events.sum()
        yield f"User {name!r} has {share:.2g} % of all events: perhaps many people, or a machine."


def _ids(data: Dataset, now: int) -> Iterator[str]:
    for what, entities in (("user", data.catalog.users), ("item", data.catalog.items)):
        text = entities.ids.cast(pl.String)
        lower = text.str.strip_chars().str.to_lowercase()
        odd = text.filter(lower.is_in(list(_NO_IDS))).to_list()
        if odd:
            yield f"Among the {what} ids there is {', '.join(map(repr, odd))}: perhaps no {what}."
        twins = len(lower) - lower.n_unique()
        if twins:
            first = text.filter(lower.is_duplicated()).sort()[:2].to_list()
            yield (
                f"{what.capitalize()} ids that differ from another only in case or blanks: "
                f"{twins:,}, as {' and '.join(map(repr, first))}."
            )
