"""Report: what was measured, how sure we are, and everything a reader needs to judge it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tesserec.core import Holdout, Method, Progress, Recommender
from tesserec.core.errors import BadData
from tesserec.core.files import read_json, replacing, write_json
from tesserec.evaluation import metrics as measures
from tesserec.evaluation.groups import Group, groups_of, marks_of_group
from tesserec.evaluation.leaks import ranked_of, told_by_histories, too_good
from tesserec.evaluation.statistics import intervals
from tesserec.evaluation.tasks import Marks, mark

METRICS = (
    *(f"{name}@{k}" for k in (10, 20, 50) for name in ("recall", "ndcg")),
    "hit@10",
    "precision@10",
    "map@10",
    "mrr@10",
    "coverage@10",
    "gini@10",
    "novelty@10",
    "popularity@10",
)
"""What is measured when nobody says what."""

_ASKED = {"user": "per user", "event": "per event", "last": "for the last event of each user"}


@dataclass(frozen=True)
class Value:
    """A number and its 95 % interval; NaN bounds where a metric has none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def to_dict(self) -> dict[str, float | None]:
        """For JSON, where NaN is null."""
        return {n: None if np.isnan(v) else float(v) for n, v in vars(self).items()}

    @classmethod
    def from_dict(cls, table: Mapping[str, float | None]) -> "Value":
        """The opposite of `to_dict`."""
        return cls(**{n: float("nan") if v is None else v for n, v in table.items()})

    def __str__(self) -> str:
        text = _short(self.value)
        return text if np.isnan(self.low) else f"{text} [{_short(self.low)}, {_short(self.high)}]"


@dataclass(frozen=True)
class Report:
    """Numbers of one recommender on one holdout."""

    name: str
    method: Mapping[str, Any]
    source: Mapping[str, Any]  # data, fingerprint, split, notes
    asked: str
    seen: str
    requests: int
    left_out: Mapping[str, int]
    metrics: Mapping[str, Value]
    groups: Mapping[str, Mapping[str, Any]]  # name -> {"requests": n, "metrics": {...}}
    opened: int  # how often this holdout was opened, this time included
    seconds: float
    holdout: str  # a digest of who was asked and what was right
    each: pl.DataFrame = field(repr=False)  # request, user, and a column per metric
    seed: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # fit seconds, memory, curve, ...

    def __str__(self) -> str:
        lines = [f"{self.name} on {self.source.get('data', 'data')}, {self.requests:,} requests"]
        width = max((len(name) for name in self.metrics), default=0)
        lines += [f"  {name:<{width}}  {value}" for name, value in self.metrics.items()]
        lines += [f"  warning: {self.alarm}"] if self.alarm else []
        lines += [f"  {line}" for line in self.protocol()]
        return "\n".join(lines)

    @property
    def alarm(self) -> str | None:
        """What makes the numbers hard to believe, where something does."""
        return self.facts.get("alarm")

    def protocol(self) -> list[str]:
        """How it was measured, one sentence a line."""
        times = "once" if self.opened == 1 else f"{self.opened} times"
        few = self.facts.get("candidates")
        ranked = "whole catalogue ranked" if few is None else f"at most {few:,} candidates ranked"
        lines = [
            f"asked {_ASKED[self.asked]}, seen items: {self.seen}, {ranked}",
            f"data {self.source.get('fingerprint', '?')}, test opened {times}",
        ]
        if "setting" in self.source:
            lines.insert(0, f"setting {self.source['setting']}: {self.requests:,} requests")
        lines += [f"left out: {count:,} {why}" for why, count in self.left_out.items() if count]
        return lines + list(self.source.get("notes", []))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the values per request, in JSON types."""
        plain = {n: v for n, v in vars(self).items() if n not in ("each", "metrics", "groups")}
        plain["metrics"] = {name: value.to_dict() for name, value in self.metrics.items()}
        plain["groups"] = {
            name: {
                "requests": group["requests"],
                "metrics": {m: value.to_dict() for m, value in group["metrics"].items()},
            }
            for name, group in self.groups.items()
        }
        return plain

    def save(self, folder: Path) -> None:
        """`metrics.json`, and the values per request in `requests.parquet`."""
        write_json(folder / "metrics.json", self.to_dict())
        with replacing(folder / "requests.parquet") as aside:  # last: it tells that all is there
            self.each.write_parquet(aside)


def load_report(folder: Path) -> Report:
    """A report written by `save`. Raises `BadData` where there is none."""
    table = read_json(folder / "metrics.json")
    path = folder / "requests.parquet"
    if "metrics" not in table or not path.is_file():
        raise BadData(f"{folder} was not evaluated.", f"Run: tesserec evaluate {folder}")
    table["metrics"] = {n: Value.from_dict(value) for n, value in table["metrics"].items()}
    for group in table["groups"].values():
        group["metrics"] = {n: Value.from_dict(value) for n, value in group["metrics"].items()}
    return Report(**table, each=pl.read_parquet(path))


def evaluate(
    recommender: Recommender,
    holdout: Holdout,
    metrics: Sequence[str] = METRICS,
    name: str = "",
    progress: Progress | None = None,
) -> Report:
    """Open a holdout, ask everything in it, and report with intervals and groups.

    Raises `BadSpec` for an unknown metric, `CannotAnswer` for one this recommender cannot give.
    """
    wanted = [str(metric) for metric in measures.parse(list(metrics))]
    holdout.seal.opened += 1
    marks = mark(recommender, holdout, wanted, progress)
    return reported(recommender, holdout, marks, wanted, name)


def reported(
    recommender: Recommender, holdout: Holdout, marks: Marks, wanted: Sequence[str], name: str = ""
) -> Report:
    """What was marked, with intervals and groups."""
    method: Method | None = getattr(recommender, "method", None)
    doubts = told_by_histories(holdout)
    doubts += too_good(marks.answers, holdout, len(recommender.catalog.items))
    facts: dict[str, Any] = {"alarm": "; ".join(doubts)} if doubts else {}
    ranked = ranked_of(holdout.requests)
    if ranked is not None:
        facts["candidates"] = ranked
    return Report(
        name=name or (type(method).__name__ if method else type(recommender).__name__),
        method={} if method is None else method.to_dict(),
        source=holdout.source,
        asked=holdout.asked,
        seen=holdout.seen,
        requests=len(holdout),
        left_out=holdout.left_out,
        metrics=_values(marks, wanted),
        groups={group.name: _of_group(group, marks, wanted) for group in groups_of(holdout)},
        opened=holdout.seal.opened,
        seconds=marks.seconds,
        holdout=digest(holdout),
        each=_each(recommender, holdout, marks),
        facts=facts,
    )


def digest(holdout: Holdout) -> str:
    """Equal for holdouts that ask the same and hold the same to be right."""
    found = hashlib.sha256()
    for part in (holdout.requests.user, holdout.truth.lengths, holdout.truth.pairs()[1]):
        found.update(part.numpy().tobytes())
    return found.hexdigest()[:16]


def with_facts(report: Report, **facts: Any) -> Report:
    """The same report with more facts, such as seconds of fitting."""
    return replace(report, facts={**report.facts, **facts})


def _values(marks: Marks, wanted: Sequence[str]) -> dict[str, Value]:
    bounds = intervals(marks.each)
    return {n: Value(marks.overall[n], *bounds.get(n, ())) for n in wanted if n in marks.overall}


def _of_group(group: Group, marks: Marks, wanted: Sequence[str]) -> dict[str, Any]:
    each = marks_of_group(group, marks.answers, measures.parse(list(wanted)))
    bounds = intervals(each)
    values = {name: Value(float(v.mean()), *bounds[name]) for name, v in each.items() if len(v)}
    return {"requests": group.requests, "metrics": values}


def _each(recommender: Recommender, holdout: Holdout, marks: Marks) -> pl.DataFrame:
    users = recommender.catalog.users.names(holdout.requests.user)
    columns = {"request": np.arange(len(holdout)), **marks.each}
    return pl.DataFrame(columns).insert_column(1, pl.Series("user", users))


def _short(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
