"""What a dataset holds, in numbers, and what should make one look twice."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tesserec.core import Dataset, Entities
from tesserec.data.doubts import doubts
from tesserec.data.intake.mediafiles import owned_files

_QUANTILES = {"least": 0.0, "quarter": 0.25, "median": 0.5, "three quarters": 0.75, "most": 1.0}
_PARTS = ("train", "valid", "test")
_TOPS = (0.01, 0.1, 0.2)


@dataclass(frozen=True)
class Description:
    """Counts, shares between 0 and 1, and warnings in sentences."""

    name: str
    fingerprint: str
    users: int
    items: int
    events: int
    density: float  # distinct (user, item) pairs among all there could be
    clock: str
    first: str | None  # ISO time, where the clock is seconds
    last: str | None
    kinds: Mapping[str, int]  # events of each
    parts: Mapping[str, int]  # events of each part of a published split
    per_user: Mapping[str, float]  # events of those who have any: least, quarter, ..., mean
    per_item: Mapping[str, float]
    tail: Mapping[str, float]  # share of events on the most chosen items, and gini
    cold: Mapping[str, float]  # shares of users and items without events, or unseen in train
    missing: Mapping[str, float]  # per column of items and users, per vector table, per media
    vectors: Mapping[str, int]  # name -> width
    codes: Mapping[str, Mapping[str, Any]]  # name -> tokens of each level, share of collisions
    relations: Mapping[str, int]  # name -> links
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        return {**asdict(self), "warnings": list(self.warnings)}

    def lines(self) -> list[str]:
        """The description as a person reads it."""
        whole = f"{self.users:,} users, {self.items:,} items, {self.events:,} events"
        found = [f"{self.name}: {whole} (density {_percent(self.density)})"]
        if self.first is not None:
            found.append(f"from {self.first} to {self.last}")
        else:
            found.append({"order": "events have an order, no times"}.get(self.clock, "no times"))
        for title, counts in (("kinds", self.kinds), ("published split", self.parts)):
            if counts:
                found.append(f"{title}: {_listed(counts, '{:,}')}")
        if self.events:
            found.append(f"events per user: {_listed(self.per_user, '{:,.6g}')}")
            found.append(f"events per item: {_listed(self.per_item, '{:,.6g}')}")
            shares = {name: share for name, share in self.tail.items() if name != "gini"}
            found.append(f"long tail: {_listed(shares)}; gini {self.tail['gini']:.2f}")
        for title, values in (("cold", self.cold), ("missing", self.missing)):
            some = {name: share for name, share in values.items() if share > 0}
            if some:
                found.append(f"{title}: {_listed(some)}")
        if self.vectors:
            found.append(f"vectors: {_listed(self.vectors, '{:,}')}")
        found += [f"semantic ids: {name} {_told(one)}" for name, one in self.codes.items()]
        if self.relations:
            found.append(f"relations: {_listed(self.relations, '{:,}')}")
        return [*found, *(f"warning: {one}" for one in self.warnings)]


def describe(data: Dataset, now: int | None = None) -> Description:
    """Look at a dataset. Times are compared with `now` (seconds)."""
    catalog, events = data.catalog, data.interactions
    users = np.bincount(events.users.numpy(), minlength=len(catalog.users))
    items = data.popularity.numpy()
    pairs = len(data.positives.values)
    first, last = _span(data)
    return Description(
        name=data.name,
        fingerprint=data.fingerprint,
        users=len(catalog.users),
        items=len(catalog.items),
        events=len(events),
        density=pairs / max(1, len(catalog.users) * len(catalog.items)),
        clock=events.clock,
        first=first,
        last=last,
        kinds=_counts(events.frame, "kind"),
        parts=_counts(events.frame, "split"),
        per_user=_spread(users),
        per_item=_spread(items),
        tail=_tail(items),
        cold={
            "users without events": _share(users == 0),
            "items without events": _share(items == 0),
            **_unseen(events.frame),
        },
        missing={
            **_missing(catalog.items, "items"),
            **_missing(catalog.users, "users"),
            **_missing_media(data.folder, catalog.items),
        },
        vectors={name: int(table.shape[1]) for name, table in catalog.items.vectors.items()},
        codes={
            name: {"sizes": list(one.sizes), "collisions": 1 - one.distinct / max(1, len(one))}
            for name, one in catalog.items.codes.items()
        },
        relations={name: one.frame.height for name, one in catalog.relations.items()},
        warnings=tuple(doubts(data, int(time.time()) if now is None else now)),
    )


def _span(data: Dataset) -> tuple[str | None, str | None]:
    if data.interactions.clock != "seconds" or not len(data.interactions):
        return None, None
    times = data.interactions.column("time")
    ends = (int(times.min()), int(times.max()))
    first, last = (datetime.fromtimestamp(one, UTC).isoformat(" ", "seconds")[:19] for one in ends)
    return first, last


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    if column not in frame.columns:
        return {}
    counts = frame.group_by(pl.col(column).cast(pl.String).fill_null("")).len().sort(column)
    found = {str(name): int(count) for name, count in counts.iter_rows()}
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(name: str) -> tuple[int, str]:
    """The parts of a split in their order, anything else by name."""
    return (_PARTS.index(name) if name in _PARTS else len(_PARTS)), name


def _spread(counts: NDArray[np.int64]) -> dict[str, float]:
    counts = counts[counts > 0]
    if not len(counts):
        return {}
    places = {name: float(np.quantile(counts, q)) for name, q in _QUANTILES.items()}
    return {**places, "mean": float(counts.mean())}


def _tail(counts: NDArray[np.int64]) -> dict[str, float]:
    """Which share of the events falls on the most chosen items; gini of events over items."""
    total = int(counts.sum())
    if not total:
        return {}
    ordered = np.sort(counts)[::-1]
    shares = {
        f"top {100 * top:.0f} % of items": float(
            ordered[: max(1, round(top * len(counts)))].sum() / total
        )
        for top in _TOPS
    }
    ranks = np.arange(len(counts), 0, -1)  # of the ascending order, beside the descending one
    gini = 2 * float((ranks * ordered).sum()) / total - (len(counts) + 1)
    return {**shares, "gini": gini / len(counts)}


def _unseen(frame: pl.DataFrame) -> dict[str, float]:
    """Which share of the users, items and events of the test part train knows nothing of."""
    if "split" not in frame.columns:
        return {}
    train, test = (frame.filter(pl.col("split") == part) for part in ("train", "test"))
    if not train.height or not test.height:
        return {}
    found = {}
    for what in ("user", "item"):
        known = train[what].unique().implode()
        found[f"test {what}s unseen in train"] = _mean(~test[what].unique().is_in(known))
        found[f"test events with an unseen {what}"] = _mean(~test[what].is_in(known))
    return found


def _missing(entities: Entities, what: str) -> dict[str, float]:
    """The share of empty cells of each feature, and of zero rows of each table of vectors."""
    found = {}
    for column in entities.features:
        empty = column.is_null()
        if column.dtype == pl.String:
            empty |= (column.str.strip_chars() == "").fill_null(False)
        elif isinstance(column.dtype, pl.List):
            empty |= (column.list.len() == 0).fill_null(False)
        elif column.dtype.is_float():
            empty |= column.is_nan().fill_null(False)
        found[f"{what}.{column.name}"] = _mean(empty)
    for name, share in missing_vectors(entities).items():
        found[f"{what}.{name} vectors"] = share
    return found


def missing_vectors(entities: Entities) -> dict[str, float]:
    """The share of rows of each table of vectors that stand for nothing: no content is known."""
    return {name: _share((~entities.present(name)).numpy()) for name in entities.vectors}


def _missing_media(folder: Path | None, items: Entities) -> dict[str, float]:
    """The share of items without a file in `media/NAME.parquet`, or in the folder `media/NAME`."""
    counts = {}
    for path in sorted(folder.glob("media/*")) if folder is not None else ():
        if path.suffix == ".parquet":
            held = pl.scan_parquet(path).filter(pl.col("item").is_in(items.ids.implode()))
            counts[path.stem] = held.select(pl.len()).collect().item()
        elif path.is_dir():
            counts[path.name] = owned_files(path, items)["item"].drop_nulls().n_unique()
    return {f"items.{name} media": 1 - count / max(1, len(items)) for name, count in counts.items()}


def _told(codes: Mapping[str, Any]) -> str:
    """`(3 x 256, 1 x 64 tokens, all different)`"""
    runs = [(size, len(list(run))) for size, run in groupby(codes["sizes"])]
    levels = ", ".join(f"{count} x {size}" for size, count in runs)
    if codes["collisions"] <= 0:
        return f"({levels} tokens, all different)"
    return f"({levels} tokens, {_percent(codes['collisions'])} collide)"


def _mean(truths: pl.Series) -> float:
    return float(truths.sum() / max(1, len(truths)))


def _share(truths: NDArray[np.bool_] | Sequence[bool]) -> float:
    return float(np.mean(truths)) if len(truths) else 0.0


def _listed(values: Mapping[str, float], form: str | None = None) -> str:
    shown = (form.format(one) if form else _percent(one) for one in values.values())
    return ", ".join(f"{name} {value}" for name, value in zip(values, shown, strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
