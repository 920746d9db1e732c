"""Leaks: signs that something from the future, or from the test, was seen."""

import numpy as np
import torch
from torch import Tensor

from tesserec.core import Holdout, Ragged, Requests, Split
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel
from tesserec.evaluation.metrics import Answers

SUSPICIOUS = 0.9  # of all requests answered right in the first ten, out of a large catalogue
LARGE = 1000
FEWEST = 20  # requests; fewer may be answered right by chance


def find_leaks(split: Split) -> list[str]:
    """One sentence per leak of a split; none is what one hopes for."""
    found = _in_time(split) + _in_settings(split)
    for name, holdout in (("validation", split.valid), ("test", split.test)):
        if holdout is not None:
            found += [f"{name}: {sentence}" for sentence in told_by_histories(holdout)]
    return found


def too_good(answers: Answers, holdout: Holdout, items: int) -> list[str]:
    """A sentence where more is found than a catalogue of so many items allows, if it is large.

    Only requests that are about new items count: who comes back to an old one is easy to foretell.
    """
    few = ranked_of(holdout.requests)
    ranked = items if few is None else few
    about_new = _about_new(holdout).numpy()
    if ranked < LARGE or about_new.sum() < FEWEST:
        return []
    first = answers.hits[about_new, :10]
    found = float(first.any(1).mean())
    if found < SUSPICIOUS:
        return []
    return [
        f"hit@{first.shape[1]} = {found:.3f} over {ranked:,} items is too good to be true: "
        "look for test events in training, or items that give themselves away"
    ]


def ranked_of(requests: Requests) -> int | None:
    """How many items each request ranks at most, where it is not the whole catalogue."""
    if requests.candidates is not None:
        return requests.candidates.shape[1]
    return None if requests.allowed is None else int(requests.allowed.sum())


def _in_settings(split: Split) -> list[str]:
    """New items and new people that are learned from."""
    found = []
    items = split.train.popularity
    users = torch.bincount(split.train.interactions.users, minlength=len(split.train.catalog.users))
    for name, holdout in split.settings.items():
        targets, people = holdout.truth.pairs()[1], holdout.requests.user
        if name in ("item_cold", "among_cold") and (items[targets] > 0).any():
            found.append(f"{name}: items that are to be new have training events")
        if name.startswith("user_cold") and (users[people] > 0).any():
            found.append(f"{name}: people who are to be new have training events")
        found += [f"{name}: {sentence}" for sentence in told_by_histories(holdout)]
    return found


def _in_time(split: Split) -> list[str]:
    """Training events that are not before the first request of a split by time."""
    interactions, times = split.train.interactions, split.test.requests.time
    made = split.test.source.get("split", {})
    by_time = made.get("kind") in ("ByTime", "ColdStart") and not made.get("published")
    if not by_time or not len(interactions):
        return []
    if times is None:
        return ["the split is by time, and no moment parts what is shown from what is asked"]
    latest, earliest = int(interactions.column("time").max()), int(times.min())
    if latest < earliest:
        return []
    return [f"training holds events of {latest}, and the first request is of {earliest}"]


def told_by_histories(holdout: Holdout) -> list[str]:
    """Items to find that a history holds against the protocol, and events that came too late."""
    requests, truth = holdout.requests, holdout.truth
    found = []
    if holdout.seen != "allow":
        known = held_by(requests.history.items, truth)
        if known.any():
            found.append(f"{int(known.sum())} items to find are in the history they are asked with")
    if requests.time is not None and requests.history.time is not None:
        ends = requests.history.items.ends
        some = requests.history.items.lengths > 0  # oldest first: the last event tells
        late = requests.history.time[ends[some] - 1] >= requests.time[some]
        if late.any():
            found.append(f"{int(late.sum())} histories hold events not before their request")
    return found


def _about_new(holdout: Holdout) -> Tensor:
    """Which requests have nothing to find that their history holds: [B] bool"""
    if holdout.seen != "allow":
        return torch.ones(len(holdout), dtype=torch.bool)
    known = held_by(holdout.requests.history.items, holdout.truth)
    rows, _ = holdout.truth.places()
    return torch.bincount(rows[known], minlength=len(holdout)) == 0


def held_by(histories: Ragged, items: Ragged) -> Tensor:
    """Which items of each row its history holds, row after row: [m] bool"""
    items = items.compact()
    known = torch.zeros(len(items.values), dtype=torch.bool)
    width = 1 + max(int(one.values.max()) if len(one.values) else 0 for one in (histories, items))
    shown = (histories.values, histories.starts, histories.ends)
    asked = (items.values, items.starts, items.ends)
    # One pass over the histories: prefixes of long ones would make very many pairs.
    bounds = balanced(histories.lengths.add(1).cumsum(0).numpy())
    in_parallel(_mark_held, bounds, *(one.numpy() for one in (*shown, *asked, known)), width)
    return known


@kernel()
def _mark_held(  # type: ignore[no-untyped-def]
    histories, starts, ends, items, item_starts, item_ends, known, width, first, last
):
    met = np.full(width, -1, np.int64)  # the last row whose history held the item
    for r in range(first, last):
        for e in range(starts[r], ends[r]):
            if histories[e] >= 0:  # or it is -1, which is nothing
                met[histories[e]] = r
        for i in range(item_starts[r], item_ends[r]):
            known[i] = met[items[i]] == r
