"""Fitted models are joined into one that is a run itself: served, asked and evaluated like any.

composed.json               how it is joined, of which runs, whether it may be evaluated, and
                            which encoders made what its models read of items
content/                    what these encoders learned
study.toml, metrics.json    as in any run; the data and the split are those of the first run
model/                      the pipeline with a copy of each of its models
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tesserec.core.errors import BadData, BadRequest
from tesserec.core.files import read_json, replacing_folder, write_json
from tesserec.experiment.contents import join_encoders
from tesserec.experiment.environment import environment
from tesserec.experiment.folders import COMPOSED, UPDATED, RunFolder
from tesserec.experiment.study import Study, plan_of
from tesserec.recommenders import save
from tesserec.recommenders.artifact import description_of
from tesserec.recommenders.pipeline import Pipeline
from tesserec.recommenders.pipeline.saving import PIPELINE


@dataclass(frozen=True)
class Composed:
    """A pipeline that was written, and of what."""

    pipeline: Pipeline
    runs: tuple[str, ...]
    apart: str | None  # why it cannot be evaluated


def compose(table: Mapping[str, Any], out: Path, place: Callable[[str], Path] = Path) -> Composed:
    """Write the run folder of a pipeline, whole or not at all; `place` is where a model's run is.

    A folder that was composed before is replaced. Raises `BadSpec` for a table that cannot be
    read, `BadData` for a run without a model, `BadRequest` for models that do not fit.
    """
    plan = plan_of(table)
    runs = {name: RunFolder(place(name)).best() for name in plan.names}
    models = {name: run.model() for name, run in runs.items()}
    pipeline = plan.made(models.__getitem__)
    done = Composed(pipeline, tuple(runs), _apart(runs))
    with replacing_folder(out, manifest=False, mark=COMPOSED) as aside:
        _write_study(runs[plan.names[0]], table, aside)
        save(pipeline, aside / "model")
        write_json(aside / "environment.json", environment())
        write_json(aside / "metrics.json", {"method": dict(table), "facts": {}})
        told = {name: str(run.path) for name, run in runs.items()}
        facts = {"pipeline": table, "runs": told, "apart": done.apart}
        encoders = join_encoders([run.path for run in runs.values()], aside)
        write_json(aside / COMPOSED, {**facts, "content": encoders.to_dict()})
    return done


def runs_of(run: Path) -> list[str]:
    """The runs that a composed run was made of; none of any other run."""
    path = run / COMPOSED
    return list(read_json(path)["runs"].values()) if path.is_file() else []


def refuse_composed(run: Path, what: str) -> None:
    """Raise `BadRequest` for a run or model folder that is a pipeline: its parts can do `what`."""
    place = RunFolder(run).best()
    description = description_of(place.path)
    if description is not None and description.name == PIPELINE:
        runs = ", ".join(runs_of(place.path)) or "the runs it was composed of"
        raise BadRequest(
            f"{run} is a pipeline, which does not {what} itself.",
            f"Let {runs} {what}, then run `tesserec compose` again.",
        )


def refuse_apart(run: Path) -> None:
    """Raise `BadData` for a composed run whose models do not have one test part."""
    path = run / COMPOSED
    apart = read_json(path)["apart"] if path.is_file() else None
    if apart is not None:
        raise BadData(
            f"{run} cannot be evaluated: {apart}.",
            "Fit its models on the same data with the same split, then compose it again.",
        )


def _apart(runs: Mapping[str, RunFolder]) -> str | None:
    """Why some models have no test part that none of them has learned from."""
    first, *others = runs
    for name, run in runs.items():
        if not (run.path / "study.toml").is_file():
            return f"what {name} learned from is not known, as it is a model without its run"
        if any((run.path / UPDATED).glob("*.json")):
            return f"{name} was updated since it was fitted"
        inside = run.path / COMPOSED
        if inside.is_file() and read_json(inside)["apart"] is not None:
            return str(read_json(inside)["apart"])
    ours = runs[first].study
    for name in others:
        theirs = runs[name].study
        if theirs.fingerprint != ours.fingerprint:
            return f"{first} and {name} learned from different data"
        if theirs.split != ours.split:
            return f"{first} and {name} learned from different parts of the data"
    return None


def _write_study(first: RunFolder, table: Mapping[str, Any], folder: Path) -> None:
    """The study of the first run, with the pipeline in the place of its method."""
    if not (first.path / "study.toml").is_file():
        return
    study: Study = first.study.changed(
        {"method": None, "methods": (), "pipelines": (), "pipeline": table}
    )
    study.write(folder / "study.toml")
