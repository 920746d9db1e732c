"""Leaks: signs that something from the future, or from the test, was seen."""

import torch

from tesserec.core import Holdout, Split
from tesserec.evaluation.report import Report

SUSPICIOUS = 0.9  # of all requests answered right in the first ten, out of a large catalogue
LARGE = 1000


def find_leaks(split: Split) -> list[str]:
    """One sentence per leak of a split; none is what one hopes for."""
    found = _in_time(split)
    for name, holdout in (("validation", split.valid), ("test", split.test)):
        if holdout is not None:
            found += [f"{name}: {sentence}" for sentence in _in_histories(holdout)]
    return found


def too_good(report: Report, items: int) -> str | None:
    """A sentence when a figure is better than a real catalogue allows."""
    hit = report.metrics.get("hit@10")
    if hit is None or items < LARGE or hit.value < SUSPICIOUS:
        return None
    return (
        f"hit@10 = {hit.value:.3f} over {items:,} items is too good to be true: "
        "look for test events in training, or items that give themselves away."
    )


def _in_time(split: Split) -> list[str]:
    """Training events that are not before the first request of a split by time."""
    interactions, times = split.train.interactions, split.test.requests.time
    if split.test.source.get("split", {}).get("kind") != "ByTime" or not len(interactions):
        return []
    if times is None:
        return ["the split is by time, and no moment parts what is shown from what is asked"]
    latest, earliest = int(interactions.column("time").max()), int(times.min())
    if latest < earliest:
        return []
    return [f"training holds events of {latest}, and the first request is of {earliest}"]


def _in_histories(holdout: Holdout) -> list[str]:
    """Items to find that the history already holds, where the protocol says they are left out."""
    requests, truth = holdout.requests, holdout.truth
    found = []
    if holdout.seen != "allow":
        rows, items = truth.pairs()
        shown_rows, shown = requests.history.items.pairs()
        width = 1 + int(max(items.max(), shown.max() if len(shown) else 0))
        known = torch.isin(rows * width + items, shown_rows * width + shown)
        if known.any():
            found.append(f"{int(known.sum())} items to find are in the history they are asked with")
    if requests.time is not None and requests.history.time is not None:
        rows, places = requests.history.items.places()
        late = requests.history.time[places] >= requests.time[rows]
        if late.any():
            found.append(f"{int(late.sum())} events of histories are not before their request")
    return found
