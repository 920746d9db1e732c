"""Many reports become one: over seeds, with intervals."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from tesserec.evaluation import Report, Value
from tesserec.evaluation import statistics as stats


def over_seeds(reports: Sequence[Report]) -> Report:
    """The mean of reports of one method with different seeds, and its interval over the seeds.

    Values per request are means over the seeds, so that tests are paired by request.
    """
    first = reports[0]
    if len(reports) == 1:
        return first
    metrics = {name: _over([r.metrics[name].value for r in reports]) for name in first.metrics}
    groups = {
        name: {
            "requests": group["requests"],
            "metrics": {
                metric: _over([r.groups[name]["metrics"][metric].value for r in reports])
                for metric in group["metrics"]
            },
        }
        for name, group in first.groups.items()
    }
    measured = [name for name in first.each.columns if name not in ("request", "user")]
    means = {n: np.mean([r.each[n].to_numpy() for r in reports], axis=0) for n in measured}
    alarm = next((report.alarm for report in reports if report.alarm), None)
    seconds = [r.facts["fit_seconds"] for r in reports if "fit_seconds" in r.facts]
    facts = {
        **first.facts,
        **({"alarm": alarm} if alarm else {}),
        "seeds": [report.seed for report in reports],
        **({"fit_seconds": float(np.mean(seconds))} if seconds else {}),
    }
    return replace(
        first,
        metrics=metrics,
        groups=groups,
        each=first.each.with_columns(**{n: pl.Series(v) for n, v in means.items()}),
        seconds=sum(report.seconds for report in reports),
        opened=max(report.opened for report in reports),
        seed=None,
        facts=facts,
    )


def _over(values: Sequence[float]) -> Value:
    numbers = np.array(values)
    return Value(float(numbers.mean()), *stats.over_seeds(numbers))
