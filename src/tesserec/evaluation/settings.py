"""Settings: parts of a test that are answered one by one and shown side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tesserec.core import Progress, Recommender, Split
from tesserec.core.errors import BadRequest
from tesserec.evaluation import metrics as measures
from tesserec.evaluation.compare import LEVEL, Comparison, compare
from tesserec.evaluation.groups import ACCURACY
from tesserec.evaluation.metrics import Floats
from tesserec.evaluation.report import METRICS, Report, Value, reported, with_facts
from tesserec.evaluation.statistics import intervals
from tesserec.evaluation.tasks import Marks, mark


def evaluate_settings(
    recommender: Recommender,
    split: Split,
    metrics: Sequence[str] = METRICS,
    name: str = "",
    progress: Progress | None = None,
) -> dict[str, Report]:
    """Open every setting of a split and report on each, the first one first.

    An item is reached if anybody is shown it, whoever was to find it, in whatever setting.
    """
    wanted = [str(metric) for metric in measures.parse(list(metrics))]
    settings = split.settings or {"test": split.test}
    marks = {}
    for setting, holdout in settings.items():
        holdout.seal.opened += 1
        marks[setting] = mark(recommender, holdout, wanted, progress)
    open_to_all = [one for one in settings if settings[one].requests.allowed is None]
    shown = np.concatenate([marks[setting].answers.items for setting in open_to_all])
    for setting in open_to_all:
        marks[setting] = _reached(marks[setting], shown, wanted, len(recommender.catalog.items))
    return {
        setting: with_facts(
            reported(recommender, holdout, marks[setting], wanted, name),
            targets=len(holdout.truth.pairs()[1].unique()),
            settings=list(settings),
        )
        for setting, holdout in settings.items()
    }


@dataclass(frozen=True)
class Setting:
    """Several methods on the same requests."""

    name: str
    requests: int
    targets: int  # distinct items to find
    left_out: Mapping[str, int]
    holdout: str  # a digest of who was asked and what was right
    found: Comparison  # intervals are over requests

    def alike(self, metric: str) -> set[str]:
        """The methods whose intervals meet that of the best one, which is among them."""
        values = {name: row[metric] for name, row in self.found.values.items()}
        best = values[self.found.best(metric)]
        return {
            name
            for name, value in values.items()
            if value is best or (value.high >= best.low and value.low <= best.high)
        }

    def told(self, metric: str) -> str:
        """What the intervals allow to say, in a sentence."""
        best, alike = self.found.best(metric), self.alike(metric)
        value = self.found.values[best][metric]
        if math.isnan(value.low):
            return f"{self.name}: {best} reaches most, {metric} {value}, without an interval."
        if len(alike) > 1:
            names = ", ".join(name for name in self.found.names if name in alike)
            return (
                f"{self.name}: the intervals of {names} overlap in {metric}: they are not ranked."
            )
        if len(self.found.names) == 1:
            return f"{self.name}: {metric} {value}."
        return f"{self.name}: {best} is best, {metric} {value}; no other interval meets its own."

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        told = [m for m in self.found.metrics if not math.isnan(self._best(m).low)]
        return {
            "setting": self.name,
            "requests": self.requests,
            "targets": self.targets,
            "left_out": dict(self.left_out),
            "holdout": self.holdout,
            "alike": {metric: sorted(self.alike(metric)) for metric in told},
            **self.found.to_dict(),
        }

    def _best(self, metric: str) -> Value:
        return self.found.values[self.found.best(metric)][metric]


def side_by_side(methods: Sequence[Mapping[str, Report]]) -> list[Setting]:
    """The settings of several methods, in their order: setting -> report for each method.

    Raises `BadRequest` when they were not asked the same.
    """
    if len({tuple(reports) for reports in methods}) > 1:
        raise BadRequest(
            "These methods were not asked in the same settings.",
            "Evaluate them on the same data and split.",
        )
    return [_setting(name, [reports[name] for reports in methods]) for name in methods[0]]


def _setting(name: str, reports: Sequence[Report]) -> Setting:
    first = reports[0]
    return Setting(
        name,
        first.requests,
        first.facts["targets"],
        first.left_out,
        first.holdout,
        compare(*(_over_requests(report) for report in reports)),
    )


def _over_requests(report: Report) -> Report:
    """The report with intervals over requests, of the mean over its seeds.

    An interval over seeds tells nothing of a few requests about a few items, and that of a method
    without randomness has no width.
    """
    each = {m: report.each[m].to_numpy() for m in report.metrics if m in report.each.columns}
    bounds = intervals(each)
    metrics = {
        name: Value(value.value, *_widened(name, each[name], bounds[name]))
        if name in each
        else Value(value.value)
        for name, value in report.metrics.items()
    }
    return replace(report, metrics=metrics)


def _widened(metric: str, values: Floats, bounds: tuple[float, float]) -> tuple[float, float]:
    """Bounds where all values are 0, or all are 1, which no resampling can move.

    They are the exact ones of a share (Clopper and Pearson, Biometrika 1934).
    """
    if metric.partition("@")[0] not in ACCURACY or not len(values) or np.ptp(values) > 0:
        return bounds
    far = 1 - (LEVEL / 2) ** (1 / len(values))
    return {0.0: (0.0, far), 1.0: (1 - far, 1.0)}.get(float(values[0]), bounds)


def _reached(marks: Marks, shown: Any, wanted: Sequence[str], items: int) -> Marks:
    answers = replace(marks.answers, items=shown)
    found = {
        str(metric): measures.reach(answers, metric.k, items)
        for metric in measures.parse(list(wanted))
        if metric.name == "reach"
    }
    return replace(marks, overall={**marks.overall, **found})
