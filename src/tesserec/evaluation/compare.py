"""Compare reports of the same holdout: paired tests, corrected for how many there are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tesserec.core.errors import BadRequest
from tesserec.evaluation.report import Report, Value
from tesserec.evaluation.statistics import holm, paired_p

LEVEL = 0.05
LONGEST = 20  # letters of a value that tells methods of one name apart


@dataclass(frozen=True)
class Pair:
    """Two reports on one metric."""

    metric: str
    one: str
    other: str
    difference: float  # one - other
    p: float  # two-sided, Holm-corrected over all pairs and metrics of the comparison

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance would make."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Comparison:
    """Reports side by side."""

    names: tuple[str, ...]
    metrics: tuple[str, ...]
    values: dict[str, dict[str, Value]]  # name -> metric -> value
    pairs: tuple[Pair, ...]

    def best(self, metric: str) -> str:
        """The report with the largest value."""
        return max(self.names, key=lambda name: self.values[name][metric].value)

    def ties_with_best(self, metric: str) -> set[str]:
        """The reports that cannot be told from the best one on this metric."""
        best = self.best(metric)
        apart = {
            name
            for pair in self.pairs
            if pair.metric == metric and pair.differs and best in (pair.one, pair.other)
            for name in (pair.one, pair.other)
        }
        tested = {n for p in self.pairs if p.metric == metric for n in (p.one, p.other)}
        return tested - apart | {best}

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "metrics": {
                name: {metric: value.to_dict() for metric, value in row.items()}
                for name, row in self.values.items()
            },
            "pairs": [{**vars(pair), "differs": pair.differs} for pair in self.pairs],
        }

    def __str__(self) -> str:
        width = max(len(name) for name in self.names)
        lines = []
        for metric in self.metrics:
            lines.append(metric)
            alike = self.ties_with_best(metric)
            for name in self.names:
                marked = "*" if name in alike and len(self.names) > 1 else " "
                lines.append(f"  {name:<{width}} {marked} {self.values[name][metric]}")
        return "\n".join([*lines, "* not told from the best (paired t-test, Holm, 5 %)"])


def compare(*reports: Report) -> Comparison:
    """Put reports side by side. Raises `BadRequest` where they cannot be compared."""
    if len({report.holdout for report in reports}) > 1:
        rows = "; ".join(f"{r.name}: {r.requests} requests, {r.holdout}" for r in reports)
        raise BadRequest(
            f"These reports do not answer the same questions ({rows}).",
            "Evaluate them on the same data and split.",
        )
    names = told_apart([r.name for r in reports], [r.method for r in reports])
    shared = [m for m in reports[0].metrics if all(m in report.metrics for report in reports)]
    if not shared:
        raise BadRequest(
            f"The reports of {', '.join(names)} have no metric in common.",
            "Evaluate them with the same --metrics.",
        )
    values = {
        name: {metric: report.metrics[metric] for metric in shared}
        for name, report in zip(names, reports, strict=True)
    }
    return Comparison(tuple(names), tuple(shared), values, _pairs(names, reports, shared))


def _pairs(
    names: Sequence[str], reports: Sequence[Report], metrics: Sequence[str]
) -> tuple[Pair, ...]:
    found = []
    tested = [m for m in metrics if all(m in report.each.columns for report in reports)]
    for metric in tested:
        columns = [report.each[metric].to_numpy() for report in reports]
        for (one, a), (other, b) in combinations(zip(names, columns, strict=True), 2):
            found.append(Pair(metric, one, other, float((a - b).mean()), paired_p(a, b)))
    corrected = holm(np.array([pair.p for pair in found]))
    return tuple(
        Pair(pair.metric, pair.one, pair.other, pair.difference, float(p))
        for pair, p in zip(found, corrected, strict=True)
    )


def told_apart(names: Sequence[str], methods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that occur more than once get what tells their methods apart, or else a number."""
    found = list(names)
    for name in {name for name in names if found.count(name) > 1}:
        places = [place for place, one in enumerate(names) if one == name]
        marks = _apart([methods[place] for place in places])
        for place, mark in zip(places, marks, strict=True):
            found[place] = f"{name} ({mark})"
    return found


def _apart(methods: Sequence[Mapping[str, Any]]) -> list[str]:
    """The one field in which all methods differ, the outermost of several; else numbers."""
    fields = [dict(_fields(method)) for method in methods]
    for path in sorted(fields[0], key=lambda path: path.count(".")):
        values = [str(one[path]) for one in fields if path in one]
        if len(set(values)) == len(methods) and max(map(len, values)) <= LONGEST:
            return [f"{path}={value}" for value in values]
    return [str(number) for number in range(1, len(methods) + 1)]


def _fields(value: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Single values of a method and of its parts, by their dotted names."""
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from _fields(one, f"{inside}{name}.")
        elif not isinstance(one, list | tuple):
            yield f"{inside}{name}", one
