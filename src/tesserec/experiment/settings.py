"""The settings of a run folder as tables: methods by settings, a table for each metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tesserec.evaluation import Setting, Value, side_by_side
from tesserec.evaluation.groups import ACCURACY
from tesserec.experiment.folders import RunFolder

METRICS = ("ndcg@10", "recall@10", "cold@10", "reach@10")  # shown where they were measured


@dataclass(frozen=True)
class Cell:
    """A method in a setting."""

    value: Value
    best: bool = False  # alone: no other interval meets its own
    alike: bool = False  # overlaps with the best, and others do

    def __str__(self) -> str:
        if math.isnan(self.value.low):
            return f"{self.value.value:.4f}"
        half = (self.value.high - self.value.low) / 2
        return f"{self.value.value:.4f} ±{half:.3f}{'*' if self.alike else ' '}"


def settings_in(folder: Path) -> list[Setting]:
    """All methods of a run folder, baselines included, in each setting of its split."""
    found = [run.settings for run, _ in RunFolder(folder).beside]
    return side_by_side(found) if any(found) else []


def shown_of(settings: Sequence[Setting]) -> list[str]:
    """The metrics a reader sees: some well known ones, or else the first."""
    there = settings[0].found.metrics
    return [m for m in METRICS if m in there] or list(there[:2])


def rows_of(settings: Sequence[Setting], metric: str) -> list[tuple[str, list[Cell]]]:
    """A row of cells for each method."""
    ranked = metric.partition("@")[0] in ACCURACY
    alike = [setting.alike(metric) if ranked else set() for setting in settings]
    return [
        (
            name,
            [
                Cell(
                    setting.found.values[name][metric],
                    best={name} == same and len(setting.found.names) > 1,
                    alike=name in same and len(same) > 1,
                )
                for setting, same in zip(settings, alike, strict=True)
            ],
        )
        for name in settings[0].found.names
    ]
