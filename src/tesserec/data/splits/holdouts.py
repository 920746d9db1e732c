"""From parts to requests: what each user had done, and what was right."""

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from tesserec.core import Asked, Dataset, Histories, Holdout, Interactions, Ragged, Requests, Seen


@dataclass(frozen=True)
class Asking:
    """How a part is asked: of whom, what of seen items, and after how many events at least."""

    requests: Asked = "user"
    seen: Seen = "exclude"
    shortest: int = 0


def hold_out(data: Dataset, train: Dataset, part_of: Tensor, part: int, asking: Asking) -> Holdout:
    """The requests of one part. Histories hold what came before and belongs to earlier parts.

    With `exclude_train` a history ends with the training part. Truth that the history already
    holds is taken out, unless `seen` is `allow`. Requests whose history is shorter than `shortest`
    and those with nothing left to find are not asked, and counted in `left_out`.
    """
    events = data.interactions.frame.with_columns(part=pl.Series(part_of.numpy()))
    shown = Interactions(events.filter(_shown(part, asking)), data.interactions.clock)
    history = shown.histories(len(data.catalog.users))
    targets = events.filter(pl.col("part") == part).sort("user", maintain_order=True)
    if asking.requests == "user":
        requests, truth, known = _per_user(targets, history, _moment(targets, shown))
    else:
        if asking.requests == "last":
            targets = targets.unique("user", keep="last", maintain_order=True)
        requests, truth, known = _per_event(targets, shown, history)
    left_out: dict[str, int] = {}
    if asking.shortest:
        told = requests.history.items.lengths >= asking.shortest
        left_out[_too_short(asking.shortest)] = int((~told).sum())
        known = known[told[truth.pairs()[0]]]
        requests, truth = requests[told], truth[told]
    if asking.seen != "allow":
        truth, nothing_new = _without_known(truth, known)
        left_out |= nothing_new
        requests = _excluding(requests)
    answerable = torch.nonzero(truth.lengths > 0)[:, 0]
    return Holdout(
        requests[answerable],
        truth[answerable].compact(),
        popularity=train.popularity,
        asked=asking.requests,
        seen=asking.seen,
        left_out=left_out,
    )


def _shown(part: int, asking: Asking) -> pl.Expr:
    """Which events may be in the history of a request of this part."""
    if asking.seen == "exclude_train":
        return pl.col("part") == 0
    if asking.requests == "user":
        return pl.col("part") < part
    return pl.col("part") <= part  # earlier events of the same part came before, too


def _too_short(shortest: int) -> str:
    few = "nothing" if shortest == 1 else f"fewer than {shortest} events"
    return f"requests with {few} before them"


def _moment(targets: pl.DataFrame, shown: Interactions) -> int | None:
    """The moment at which all are asked, where one parts what is shown from what is asked."""
    if shown.clock != "seconds":
        return None
    asked = int(targets["time"].min())  # type: ignore[arg-type]
    latest = shown.frame["time"].max()
    return asked if latest is None or int(latest) < asked else None  # type: ignore[arg-type]


def _per_user(
    targets: pl.DataFrame, history: Histories, moment: int | None
) -> tuple[Requests, Ragged, Tensor]:
    """One request per user; truth is the distinct items, in the order of rows."""
    pairs = targets.select("user", "item").unique().sort("user", "item")
    users, items = _tensor(pairs["user"]), _tensor(pairs["item"])
    people, place = users.unique(return_inverse=True)
    truth = Ragged.grouped(place, items, len(people))
    histories = history[people]
    rows, chosen = histories.items.pairs()
    width = 1 + max(int(items.max()), int(chosen.max()) if len(chosen) else 0)
    known = torch.isin(place * width + items, rows * width + chosen)
    time = None if moment is None else torch.full_like(people, moment)
    return Requests(people, histories, time=time), truth, known


def _per_event(
    targets: pl.DataFrame, shown: Interactions, history: Histories
) -> tuple[Requests, Ragged, Tensor]:
    """One request per event; its history is the part of its user's row that is strictly earlier."""
    users, items, times = (_tensor(targets[name]) for name in ("user", "item", "time"))
    assert history.time is not None
    # One ascending number per (user, time), so that one search finds every prefix.
    moments = torch.cat([history.time, times]).unique()
    rows, places = history.items.places()
    shown_at = rows * len(moments) + torch.searchsorted(moments, history.time[places])
    asked_at = users * len(moments) + torch.searchsorted(moments, times)
    starts = history.items.starts[users]
    ends = torch.maximum(starts, torch.searchsorted(shown_at, asked_at))
    prefixes = Ragged(history.items.values, starts, ends)
    truth = Ragged.packed(items, torch.ones_like(items))
    known = _came_before(users, items, ends, history)
    histories = Histories(prefixes, history.time, history.kind, history.weight)
    return Requests(users, histories, time=times), truth, known


def _came_before(users: Tensor, items: Tensor, ends: Tensor, history: Histories) -> Tensor:
    """Whether an item occurs in a user's row before place `ends`: [E] bool"""
    rows, chosen = history.items.pairs()
    frame = pl.DataFrame({"user": rows.numpy(), "item": chosen.numpy()}).with_row_index("place")
    first = frame.group_by("user", "item").agg(pl.col("place").min())
    asked = pl.DataFrame({"user": users.numpy(), "item": items.numpy(), "end": ends.numpy()})
    found = asked.join(first, on=["user", "item"], how="left", maintain_order="left")
    return torch.from_numpy((found["place"] < found["end"]).fill_null(False).to_numpy().copy())


def _without_known(truth: Ragged, known: Tensor) -> tuple[Ragged, dict[str, int]]:
    """Truth without what the history holds, and what that left out."""
    rows, items = truth.pairs()
    kept = Ragged.grouped(rows[~known], items[~known], len(truth))
    counts = {
        "items to find that the history already holds": int(known.sum()),
        "requests with nothing else to find": int((kept.lengths == 0).sum()),
    }
    return kept, counts


def _excluding(requests: Requests) -> Requests:
    return Requests(
        requests.user, requests.history, time=requests.time, exclude=requests.history.items
    )


def _tensor(column: pl.Series) -> Tensor:
    return torch.from_numpy(column.to_numpy().copy())
