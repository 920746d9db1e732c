"""Tiny worlds with known answers, for tests and tutorials. All of them are the same every time.

Where there is something to find, the column `split` holds it out: `Published().split(world)`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import torch

from tesserec.core import Dataset
from tesserec.data.build import from_tables

_WORDS = (
    ("apple", "berry", "cherry", "plum", "peach", "melon"),
    ("hammer", "wrench", "chisel", "pliers", "saw", "drill"),
)


def checkerboard(users: int = 40, items: int = 30) -> Dataset:
    """Two tastes: even users like even items, odd users odd ones.

    Everybody chose all items of their taste but three: one validates, two are to be found. Each
    item is held out by as many, so all are equally popular, and popularity knows nothing.
    """
    return from_tables(pl.DataFrame(_tastes(users, items)), name="checkerboard")


def cycle(users: int = 60, items: int = 20, steps: int = 9) -> Dataset:
    """Item i is always followed by i + 1, the last by the first; the last two steps are held out.

    Users begin everywhere, so that no item is more popular than another. Who knows what goes
    with what, and not in which order, cannot tell the next item from the one before the first.
    """
    events = [
        {
            "user": user,
            "item": (user + step) % items,
            "time": 1_000_000 + 3600 * step + user,
            "split": {steps - 1: "test", steps - 2: "valid"}.get(step, "train"),
        }
        for user in range(users)
        for step in range(steps)
    ]
    return from_tables(pl.DataFrame(events), name="cycle")


def repeats(users: int = 60, items: int = 20, own: int = 3, steps: int = 9) -> Dataset:
    """Everybody has a few items of their own and comes back to them in turn, again and again.

    The last two steps are held out, and what is to be found is in the history; all items are
    equally popular, and popularity knows nothing.
    """
    events = [
        {
            "user": user,
            "item": (user + 7 * (step % own)) % items,
            "time": 1_000_000 + 3600 * step + user,
            "split": {steps - 1: "test", steps - 2: "valid"}.get(step, "train"),
        }
        for user in range(users)
        for step in range(steps)
    ]
    return from_tables(pl.DataFrame(events), name="repeats")


def taste_told_by_text(users: int = 40, items: int = 30, cold: int = 6) -> Dataset:
    """Two tastes as on the checkerboard, and titles and vectors that tell them.

    The last `cold` items are chosen in the test part alone: only their content says who likes
    them. Of the others everybody chose all of their taste, one of which validates.
    """
    warm = items - cold
    events = [
        {**one, "split": one["split"].replace("test", "train")} for one in _tastes(users, warm)
    ]
    for user in range(users):
        liked = range(warm + (warm + user) % 2, items, 2)
        events += [{"user": user, "item": item, "split": "test"} for item in liked]
    rows = [{"id": item, "title": _title(item)} for item in range(items)]
    table = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (items, 4))).float()
    table[torch.arange(items), torch.arange(items) % 2] += 1
    return from_tables(
        pl.DataFrame(events), pl.DataFrame(rows), vectors={"text": table}, name="taste_told_by_text"
    )


def newcomers(users: int = 40, items: int = 30, late: int = 8) -> Dataset:
    """Two tastes told by vectors, and people and items that come late.

    The last `late` items and the last `late` people first appear in the test part. The others
    chose all early items of their taste but two: one validates, one is to be found, and so are the
    late items of their taste. Late people choose six early items of their taste, and a late one.
    """
    early = items - late
    events: list[dict[str, Any]] = []
    for user in range(users):
        liked = list(range(user % 2, early, 2))
        after = list(range(early + (early + user) % 2, items, 2))
        turn = user // 2 % len(liked)
        liked = liked[turn:] + liked[:turn]
        if user >= users - late:
            chosen = [("test", item) for item in [*liked[:6], after[turn % len(after)]]]
        else:
            chosen = [("train", item) for item in liked[:-2]]
            chosen += [("valid", liked[-2]), *(("test", item) for item in [liked[-1], *after])]
        for step, (part, item) in enumerate(chosen):
            time = {"train": 0, "valid": 100_000, "test": 200_000}[part] + 100 * step + user
            events.append({"user": user, "item": item, "time": time, "split": part})
    table = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (items, 4))).float()
    table[torch.arange(items), torch.arange(items) % 2] += 1
    rows = [{"id": item, "title": _title(item)} for item in range(items)]
    return from_tables(
        pl.DataFrame(events), pl.DataFrame(rows), vectors={"text": table}, name="newcomers"
    )


def single_user() -> Dataset:
    """One user and five items, in order."""
    events = {"user": [7] * 5, "item": [3, 1, 4, 2, 5], "time": [10, 20, 30, 40, 50]}
    return from_tables(pl.DataFrame(events), name="single_user")


def single_item() -> Dataset:
    """Five users and one item."""
    events = {"user": [1, 2, 3, 4, 5], "item": [9] * 5, "time": [10, 20, 30, 40, 50]}
    return from_tables(pl.DataFrame(events), name="single_item")


def string_ids() -> Dataset:
    """The checkerboard with ids that are hard on careless code: blanks, zeros, commas, umlauts."""
    events = [
        {**one, "user": f"{_ODD[one['user'] % 5]}{one['user']}", "item": f'00{one["item"]}/é ,"'}
        for one in _tastes(40, 30)
    ]
    return from_tables(pl.DataFrame(events), name="string_ids")


_ODD = (" ann ", "Zoë-", "0", "名前", "o'neil,")


def _tastes(users: int, items: int) -> Iterator[dict[str, Any]]:
    """Events of two tastes; of what a user likes, three items far apart are held out."""
    for user in range(users):
        liked = range(user % 2, items, 2)
        away = [(user // 2 + step * len(liked) // 3) % len(liked) for step in range(3)]
        for place, item in enumerate(liked):
            held = away.index(place) if place in away else None
            part = "train" if held is None else ("valid", "test", "test")[held]
            yield {"user": user, "item": item, "split": part}


def _title(item: int) -> str:
    """Two words of the item's taste, and a number that tells nothing."""
    words = _WORDS[item % 2]
    first, second = words[item // 2 % 6], words[(item // 2 + 1 + item // 12) % 6]
    return f"{first} {second} {item}"
