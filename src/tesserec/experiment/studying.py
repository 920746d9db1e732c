"""Run a whole study: every method with every seed, the baselines, the comparison, the page."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tesserec.core import Method, Run
from tesserec.core.files import write_json
from tesserec.core.registry import find
from tesserec.evaluation import Comparison, Report, compare, load_report, mark
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
)
from tesserec.experiment.settings import settings_in
from tesserec.experiment.study import Study

DENSE = 10_000  # items up to which the linear baseline inverts an item-item matrix
REGULARIZATIONS = (50.0, 200.0, 500.0, 1000.0)
NEIGHBOURS = (20, 50, 100, 200)


def run_study(study: Study, out: Path, options: Options) -> Comparison:
    """Fit and evaluate everything in a study; finished parts of an interrupted run are kept."""
    prepared = prepare(study, options.progress)
    methods = prepared.study.all_methods()
    several = bool(prepared.study.methods)  # each in a folder of its own, were it but one
    start(out, prepared, options)
    describe_into(out, prepared)
    inner = replace(options, resume=True)  # parts lie in a folder that was just checked
    reports = []
    for name, method in _named(methods):
        folder = out / name if several else out
        reports += _one(prepared, method, folder, inner)
    if study.baselines:
        for name, method in _named(_baselines(prepared, methods, options)):
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


def _named(methods: Iterable[Method]) -> list[tuple[str, Method]]:
    """Folder names: the class name in lower case, with a number from the second on."""
    named: list[tuple[str, Method]] = []
    for method in methods:
        name = type(method).__name__.lower()
        same = sum(type(other) is type(method) for _, other in named)
        named.append((f"{name}-{same + 1}" if same else name, method))
    return named


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
