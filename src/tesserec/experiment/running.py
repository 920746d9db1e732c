"""Fit and evaluate what a study names, into a run folder that can be sent to a colleague."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tesserec.core import Answering, Catalog, Dataset, Holdout, Method, Progress, Run, Silent
from tesserec.core.errors import BadData, BadRequest
from tesserec.core.files import replacing_folder, write_json
from tesserec.data.describe import missing_vectors
from tesserec.evaluation import Report, evaluate, evaluate_settings, load_report, mark
from tesserec.evaluation import metrics as measures
from tesserec.experiment import contents
from tesserec.experiment.composing import refuse_apart
from tesserec.experiment.environment import environment, peak_memory
from tesserec.experiment.folders import SETTINGS, UPDATED, RunFolder
from tesserec.experiment.peeking import refuse_peeking
from tesserec.experiment.preparing import Prepared
from tesserec.experiment.study import Study
from tesserec.experiment.table import over_seeds
from tesserec.lifecycle.monitor import Trained
from tesserec.recommenders import save
from tesserec.recommenders.pipeline import Pipeline
from tesserec.training.devices import best_device, dtype_of

Learn = Callable[[Path, Dataset, Run], Answering]
"""What is done instead of a fit: the run's folder, the training part, the run."""

STUDY, ENVIRONMENT = "study.toml", "environment.json"
BEGUN = {STUDY, ENVIRONMENT}  # all there is of a run that was refused before it learned anything
WATCHED = "ndcg@10"  # chooses between models whose method does not say otherwise


@dataclass(frozen=True)
class Options:
    """Where and how fast a study runs; never what."""

    device: str = "auto"
    precision: Any = "auto"
    compile: bool = False
    resume: bool = False
    tensorboard: bool = False
    checkpoint_minutes: float = 2.0
    progress: Progress = field(default_factory=Silent)


def start(folder: Path, prepared: Prepared, options: Options) -> None:
    """Write what is about to run. Raises `BadRequest` for a folder that holds another run."""
    there = {one.name for one in folder.iterdir()} if folder.exists() else set()
    if there - BEGUN and not options.resume:
        raise BadRequest(
            f"{folder} is not empty.", "Choose another --out, or go on with it: --resume."
        )
    if options.resume and STUDY in there and RunFolder(folder).study != prepared.study:
        raise BadRequest(
            f"{folder} holds a run of another study.",
            "Choose another --out, or delete it and drop --resume.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    prepared.study.write(folder / STUDY)
    write_json(folder / ENVIRONMENT, environment())


def fit(
    prepared: Prepared,
    method: Method,
    folder: Path,
    seed: int,
    options: Options,
    learn: Learn | None = None,
) -> Answering | None:
    """Fit one method with one seed into a folder; None where that was done before."""
    refuse_peeking(method, prepared.split)
    alone = replace(prepared, study=prepared.study.only(method))
    alone = replace(alone, study=alone.study.changed({"seeds": (seed,)}))
    start(folder, alone, options)
    if options.resume and RunFolder(folder).is_fitted:
        options.progress.say(f"{folder} is already fitted")
        return None
    run = Run(
        seed=seed,
        folder=folder,
        valid=prepared.split.valid,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        resume=options.resume,
        tensorboard=options.tensorboard,
        checkpoint_minutes=options.checkpoint_minutes,
        progress=options.progress,
    )
    began = time.perf_counter()
    train = prepared.split.train
    recommender = method.fit(train, run) if learn is None else learn(folder, train, run)
    seconds = time.perf_counter() - began
    contents.keep(prepared.learned, folder)
    Trained.of(prepared.split.train).save(folder)
    save(recommender, folder / "model")
    watched = measures_of(method)
    facts = {
        "fit_seconds": round(seconds, 3),
        "peak_memory_bytes": peak_memory(),
        "precision": str(dtype_of(run.precision, best_device(run.device))).removeprefix("torch."),
        "watched": watched,
        "valid": valid_of(recommender, prepared.split.valid, watched),
    }
    if "vectors" in method.needs:
        facts["missing_vectors"] = missing_vectors(prepared.split.train.catalog.items)
    write_json(folder / "metrics.json", {"method": method.to_dict(), "seed": seed, "facts": facts})
    return recommender


def measures_of(method: Method) -> str:
    """The metric a method is chosen by: its schedule's, or the usual one."""
    schedule = getattr(method, "schedule", None)
    return str(getattr(schedule, "metric", WATCHED))


def evaluate_run(
    folder: Path, prepared: Prepared, metrics: Sequence[str], options: Options
) -> Report:
    """Open the test part for a fitted run, and for every run inside; `metrics.json` is renewed.

    Of a split with settings each gets a report in `settings/`; the first is also the run's own.
    """
    return next(iter(_evaluate(folder, prepared, metrics, options).values()))


def _evaluate(
    folder: Path, prepared: Prepared, metrics: Sequence[str], options: Options
) -> dict[str, Report]:
    there = RunFolder(folder)
    inside = [run for run in there.runs if _made_alike(run.study, there.study)]
    if inside:
        runs = [_evaluate(run.path, prepared, metrics, options) for run in inside]
        reports = {name: over_seeds([run[name] for run in runs]) for name in runs[0]}
    else:
        reports = _evaluate_one(there, prepared, metrics, options)
    for name, report in reports.items() if prepared.split.settings else ():
        report.save(folder / SETTINGS / name)
    next(iter(reports.values())).save(folder)  # last: it tells that the run is evaluated
    return reports


def _evaluate_one(
    there: RunFolder, prepared: Prepared, metrics: Sequence[str], options: Options
) -> dict[str, Report]:
    refuse_apart(there.best().path)
    before, split = there.facts, prepared.split
    recommender = there.model()
    for method in _methods_of(recommender):
        refuse_peeking(method, split)
    _check_not_updated(there.best(), recommender, split.train)
    for holdout in (split.test, *split.settings.values()):
        holdout.seal.opened = int(before.get("opened", 0))
    wanted = list(metrics)
    if any(metric.name == "ild" for metric in measures.parse(wanted)):
        recommender = _speaking_of(recommender, split.train.catalog)
    if split.settings:
        reports = evaluate_settings(recommender, split, wanted, progress=options.progress)
    else:
        reports = {"test": evaluate(recommender, split.test, wanted, progress=options.progress)}
    for report in reports.values():
        if report.alarm:
            options.progress.say(f"warning: {report.alarm}")
    facts = {name: fact for name, fact in before.get("facts", {}).items() if name != "alarm"}
    title, seed = there.best().study.title, before.get("seed")
    return {
        name: replace(report, name=title, facts={**facts, **report.facts}, seed=seed)
        for name, report in reports.items()
    }


def _methods_of(recommender: Answering) -> Iterator[Method]:
    """Its own, or those of the parts of a pipeline."""
    if recommender.method is not None:
        yield recommender.method
    elif isinstance(recommender, Pipeline):
        for part in recommender.parts.values():
            yield from _methods_of(part)


def _made_alike(one: Study, other: Study) -> bool:
    """Whether two runs differ in their seeds alone."""
    return (one.method, one.pipeline) == (other.method, other.pipeline)


def _speaking_of(recommender: Answering, catalog: Catalog) -> Answering:
    """The same recommender with a catalogue that holds vectors."""
    if isinstance(recommender, Pipeline):
        name, first = next(iter(recommender.parts.items()))
        return recommender.with_parts({name: _speaking_of(first, catalog)})
    return replace(recommender, catalog=catalog)  # type: ignore[type-var]


def _check_not_updated(there: RunFolder, model: Answering, train: Dataset) -> None:
    """A model that was updated may have learned its test, and ranks items that are not in it."""
    noted = any((there.path / UPDATED).glob("*.json"))
    if noted or len(model.catalog.items) != len(train.catalog.items):
        raise BadData(
            f"The model of {there.path} was updated since it was fitted; its test is from then.",
            "Reports from before stay as they are. For new ones fit again, on all that there is.",
        )


def fit_seeds(
    prepared: Prepared,
    method: Method,
    folder: Path,
    seeds: Sequence[int],
    options: Options,
    learn: Learn | None = None,
) -> None:
    """Fit a method with each seed: into the folder itself, or `seed-<n>` folders for several."""
    if len(seeds) == 1:
        fit(prepared, method, folder, seeds[0], options, learn)
        return
    whole = replace(prepared, study=prepared.study.only(method))
    start(folder, whole, options)
    for seed in seeds:
        options.progress.say(f"seed {seed}")
        fit(prepared, method, folder / f"seed-{seed}", seed, options, learn)
    crown(folder)


def crown(folder: Path) -> RunFolder:
    """Put a copy of the model that validated best into `model/`; returns the run it is from."""
    inside = RunFolder(folder).runs
    best = max((run.best() for run in inside if run.best().is_fitted), key=lambda run: run.valid)
    with replacing_folder(folder / "model", manifest=False) as aside:
        shutil.copytree(best.path / "model", aside, dirs_exist_ok=True)
    return best


def reports_in(folder: Path) -> list[Report]:
    """The reports of a run folder: its own, or those of the methods inside."""
    there = RunFolder(folder)
    if not there.study.has_several and (folder / "requests.parquet").is_file():
        return [load_report(folder)]
    inside = [run for run in there.runs if (run.path / "requests.parquet").is_file()]
    return [load_report(run.path) for run in inside] or [load_report(folder)]


def valid_of(recommender: Answering, valid: Holdout | None, metric: str) -> float | None:
    """What a model reaches on the validation part, by which models are chosen."""
    return None if valid is None else mark(recommender, valid, [metric])[metric]
