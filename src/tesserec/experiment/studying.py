"""Run a whole study: every method with every seed, the baselines, the comparison, the page."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tesserec.core import Method, Run
from tesserec.core.files import write_json
from tesserec.core.registry import find
from tesserec.evaluation import Comparison, Report, compare, load_report, mark
from tesserec.experiment.composing import compose
from tesserec.experiment.datapage import data_page
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.neighbours import neighbours
from tesserec.experiment.page import write_page
from tesserec.experiment.preparing import Prepared, prepare
from tesserec.experiment.running import (
    WATCHED,
    Options,
    crown,
    evaluate_run,
    fit_seeds,
    reports_in,
    start,
    valid_of,
)
from tesserec.experiment.settings import settings_in
from tesserec.experiment.study import Study, numbered

DENSE = 10_000  # items up to which the linear baseline inverts an item-item matrix
REGULARIZATIONS = (50.0, 200.0, 500.0, 1000.0)
NEIGHBOURS = (20, 50, 100, 200)


def run_study(study: Study, out: Path, options: Options) -> Comparison:
    """Fit and evaluate everything in a study; finished parts of an interrupted run are kept."""
    prepared = prepare(study, options.progress)
    methods, several = prepared.study.all_methods(), prepared.study.has_several
    start(out, prepared, options)
    describe_into(out, prepared)
    inner = replace(options, resume=True)  # parts lie in a folder that was just checked
    reports = []
    for name, method in prepared.study.named_methods():
        folder = out / name if several else out
        reports += _one(prepared, method, folder, inner)
    for name, table in prepared.study.named_pipelines():
        reports.append(_one_pipeline(prepared, table, out / name, inner))
    if study.baselines:
        baselines = _baselines(prepared, methods, options)
        names = numbered([type(method).__name__.lower() for method in baselines])
        for name, method in zip(names, baselines, strict=True):
            reports += _one(prepared, method, out / "baselines" / name, inner)
    if several:
        best = crown(out)
        chosen: dict[str, Any] = {"best": best.path.relative_to(out).as_posix()}
        if math.isfinite(best.valid):
            chosen["valid"] = best.valid
        write_json(out / "metrics.json", {"facts": chosen})
    settings = settings_in(out)
    if settings:
        write_json(out / "settings.json", {"settings": [one.to_dict() for one in settings]})
    write_page(out)
    return compare(*reports)


def describe_into(folder: Path, prepared: Prepared) -> None:
    """What the data are, and which items their content puts together, for the report."""
    write_json(folder / "data.json", data_page(prepared.data))
    found = neighbours(prepared.split.train)
    if found:
        write_json(folder / "neighbours.json", found)


def comparison_of(folders: Iterable[Path]) -> Comparison:
    """The reports of run folders side by side, those of the methods inside included."""
    return compare(*(report for folder in folders for report in reports_in(folder)))


def _one(prepared: Prepared, method: Method, folder: Path, options: Options) -> list[Report]:
    study = prepared.study
    if (folder / "requests.parquet").is_file() and RunFolder(folder).is_fitted:
        options.progress.say(f"{folder} is already evaluated")
        return [load_report(folder)]
    fit_seeds(prepared, method, folder, study.seeds, options)
    return [evaluate_run(folder, prepared, study.metrics, options)]


def _one_pipeline(
    prepared: Prepared, table: Mapping[str, Any], folder: Path, options: Options
) -> Report:
    """A pipeline of the methods beside it; with several seeds, one of the models of each seed."""
    study = prepared.study
    if (folder / "requests.parquet").is_file() and RunFolder(folder).is_fitted:
        options.progress.say(f"{folder} is already evaluated")
        return load_report(folder)
    for seed in study.seeds:
        own = folder if len(study.seeds) == 1 else folder / f"seed-{seed}"
        done = compose(table, own, partial(_with_seed, folder.parent, seed))
        valid = valid_of(done.pipeline, prepared.split.valid, WATCHED)
        facts = {"watched": WATCHED, "valid": valid}
        write_json(own / "metrics.json", {"method": table, "seed": seed, "facts": facts})
    if len(study.seeds) > 1:
        of_all = {"method": None, "methods": (), "pipelines": (), "pipeline": table}
        study.changed(of_all).write(folder / "study.toml")
        crown(folder)
    return evaluate_run(folder, prepared, study.metrics, options)


def _with_seed(folder: Path, seed: int, name: str) -> Path:
    """Where the model of a method with one seed lies."""
    several = folder / name / f"seed-{seed}"
    return several if several.is_dir() else folder / name


def _baselines(prepared: Prepared, methods: tuple[Method, ...], options: Options) -> list[Method]:
    """Popularity and a linear model chosen on validation, unless the study has them itself."""
    there = {type(method).__name__ for method in methods}
    found: list[Method] = [] if "Popular" in there else [find("Popular", Method)()]
    if not there & {"EASE", "ItemKNN"}:
        found.append(_tuned_linear(prepared, options))
    return found


def _tuned_linear(prepared: Prepared, options: Options) -> Method:
    """EASE, or ItemKNN for large catalogues, with the setting that validates best of four."""
    if len(prepared.data.catalog.items) <= DENSE:
        kind = find("EASE", Method)
        tried: list[Method] = [kind(regularization=value) for value in REGULARIZATIONS]
    else:
        kind = find("ItemKNN", Method)
        tried = [kind(neighbours=value) for value in NEIGHBOURS]
    valid = prepared.split.valid
    if valid is None:
        return kind()  # type: ignore[no-any-return]
    options.progress.say(f"baseline: {kind.__name__}, the best of {len(tried)} on validation")

    def value(method: Method) -> float:
        return mark(method.fit(prepared.split.train, Run()), valid, [WATCHED])[WATCHED]

    return max(tried, key=value)
