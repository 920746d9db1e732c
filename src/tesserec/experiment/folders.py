"""Run folders: what is where, and which model of several answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tesserec.core import Answering
from tesserec.core.errors import BadData
from tesserec.core.files import read_json
from tesserec.evaluation import Report, load_report
from tesserec.experiment.study import Study
from tesserec.recommenders import load

UPDATED = "updated"  # where a run notes what its model took in after it was fitted
COMPOSED = "composed.json"  # what a run that was made of other runs was made of
SETTINGS = "settings"  # where the reports of a split with several settings lie


@dataclass(frozen=True)
class RunFolder:
    """`study.toml`, `metrics.json`, `model/` ...; with several runs, one folder each."""

    path: Path

    @property
    def study(self) -> Study:
        """The study as it was run. Raises `BadData` in a folder that is no run."""
        if not (self.path / "study.toml").is_file():
            raise BadData(
                f"{self.path} is no run folder: it has no study.toml.",
                "Name what `tesserec fit`, `run`, or `compose` of such runs has written.",
            )
        return Study.read(self.path / "study.toml")

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `metrics.json` holds, nothing where there is none."""
        path = self.path / "metrics.json"
        return dict(read_json(path)) if path.is_file() else {}

    @property
    def runs(self) -> list["RunFolder"]:
        """The runs inside: one per method or seed; a single run holds none."""
        if not self.path.is_dir():
            return []
        inside = [one for one in self.path.iterdir() if (one / "study.toml").is_file()]
        return [RunFolder(one) for one in sorted(inside, key=_by_number)]

    @property
    def beside(self) -> list[tuple["RunFolder", bool]]:
        """What is evaluated here, and whether it is a baseline: methods inside or itself first."""
        own = self.runs if self.study.has_several else [self]
        there = [(run, False) for run in own]
        there += [(run, True) for run in RunFolder(self.path / "baselines").runs]
        return [(run, base) for run, base in there if (run.path / "requests.parquet").is_file()]

    @property
    def settings(self) -> dict[str, Report]:
        """The report of each setting, in their order; none where the split has no settings."""
        names = self.facts.get("facts", {}).get("settings", ())
        return {name: load_report(self.path / SETTINGS / name) for name in names}

    @property
    def is_fitted(self) -> bool:
        """Whether a model was saved here."""
        return (self.path / "model" / "manifest.json").is_file()

    def best(self) -> "RunFolder":
        """This run, or the one inside that validated best; ties go to the first."""
        inside = [run.best() for run in self.runs]
        fitted = [run for run in inside if run.is_fitted]
        return max(fitted, key=lambda run: run.valid) if fitted else self

    @property
    def valid(self) -> float:
        """The validation figure by which runs are chosen; -inf where there was no validation."""
        value = self.facts.get("facts", {}).get("valid")
        return float("-inf") if value is None else float(value)

    def model(self) -> Answering:
        """The model that answers for this folder. Raises `BadData` where nothing was fitted."""
        return load(self.best().path)


def _by_number(path: Path) -> tuple[str, int]:
    """seed-2 before seed-10."""
    name, _, number = path.name.rpartition("-")
    return (name, int(number)) if number.isdigit() else (path.name, 0)
