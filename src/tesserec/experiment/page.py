"""report.html: what a run folder holds, as one page that loads nothing from elsewhere."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tesserec.core import Dataset
from tesserec.core.files import read_json, write_text
from tesserec.evaluation import (
    Comparison,
    Report,
    Setting,
    Value,
    compare,
    load_report,
    told_apart,
)
from tesserec.experiment import svg
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.neighbours import neighbours
from tesserec.experiment.settings import rows_of, settings_in, shown_of
from tesserec.training.log import read_log

HEADLINE = "ndcg@10"
COLUMNS = ("ndcg@10", "recall@10", "recall@20", "hit@10", "mrr@10", "coverage@10")


@dataclass(frozen=True)
class Row:
    """One evaluated run."""

    folder: Path
    report: Report
    baseline: bool


def write_page(folder: Path) -> Path:
    """Write `report.html` from the files of a run folder: fitted, evaluated, or a whole study."""
    path = folder / "report.html"
    write_text(path, rendered("report.html.j2", _contents(folder)))
    return path


def write_content_page(data: Dataset, path: Path) -> Path:
    """Write what is nearest to what, by each table of item vectors."""
    contents = {"title": f"Content of {data.name}", "neighbours": neighbours(data)}
    write_text(path, rendered("content.html.j2", contents))
    return path


def rendered(name: str, contents: Mapping[str, Any]) -> str:
    """A page of ours, filled."""
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("tesserec.experiment", "pages")
    template = Environment(loader=loader, autoescape=True).get_template(name)
    return template.render({**contents, "version": version("tesserec")})


def _contents(folder: Path) -> dict[str, Any]:
    there = RunFolder(folder)
    rows = _rows(folder)
    found = _comparison(rows)
    study = there.study
    colours = {name: place for place, name in enumerate(found.names if found else [])}
    contents: dict[str, Any] = {
        "title": f"{study.title} on {Path(study.data).name or study.data}",
        "subtitle": f"Run folder {folder.name}",
        "summary": _summary(found),
        "alarms": [row.report.alarm for row in rows if row.report.alarm],
        "curves": curves(folder, colours),
        "data": data_facts(folder),
        "example": _json(folder / "example.json"),
        "protocol": _protocol(there, rows),
        "study": (folder / "study.toml").read_text(encoding="utf-8"),
        "environment": json.dumps(_json(folder / "environment.json"), indent=2),
        "neighbours": _json(folder / "neighbours.json") or [],
        "settings": _settings(folder),
        "rows": [],
    }
    if found is not None:
        contents |= _results(rows, found, colours)
    return contents


def _rows(folder: Path) -> list[Row]:
    """Evaluated runs of this folder: the methods inside or itself, then the baselines."""
    return [
        Row(run.path, load_report(run.path), baseline or load_report(run.path).name == "Popular")
        for run, baseline in RunFolder(folder).beside
    ]


def _comparison(rows: Sequence[Row]) -> Comparison | None:
    return compare(*(row.report for row in rows)) if rows else None


def _summary(found: Comparison | None) -> list[str]:
    if found is None:
        return ["Fitted, not yet evaluated: the test part is still closed."]
    metric = HEADLINE if HEADLINE in found.metrics else found.metrics[0]
    best = found.best(metric)
    reached = f"{metric} {found.values[best][metric]}."
    if len(found.names) == 1:
        return [f"{best}: {reached}"]
    sentences = [f"{best} is best: {reached}"]
    others = found.ties_with_best(metric) - {best}
    if others:
        sentences.append(f"It cannot be told from {', '.join(sorted(others))} on these requests.")
    return sentences


def _results(rows: Sequence[Row], found: Comparison, colours: Mapping[str, int]) -> dict[str, Any]:
    metrics = [m for m in COLUMNS if m in found.metrics] or list(found.metrics[:7])
    headline = HEADLINE if HEADLINE in found.metrics else metrics[0]
    order = sorted(
        zip(found.names, rows, strict=True), key=lambda pair: -found.values[pair[0]][headline].value
    )
    seeds = max(len(row.report.facts.get("seeds", [0])) for row in rows)
    return {
        "metrics": metrics,
        "rows": [
            {
                "name": name,
                "baseline": row.baseline,
                "cells": [_cell(found, name, metric) for metric in metrics],
                "seconds": _seconds(row.report.facts.get("fit_seconds")),
            }
            for name, row in order
        ],
        "baselines": any(row.baseline for row in rows),
        "interval_note": f"over {seeds} seeds" if seeds > 1 else "from a bootstrap over requests",
        "result_plots": _result_plots([(n, r.report) for n, r in order], headline, colours),
        "groups": _groups([(n, row.report) for n, row in order], headline),
        "group_metric": headline,
        "pairs": found.pairs,
    }


def _cell(found: Comparison, name: str, metric: str) -> dict[str, Any]:
    value = found.values[name][metric]
    tested = any(pair.metric == metric for pair in found.pairs)
    tied = tested and name in found.ties_with_best(metric)
    return {**_shown(value), "best": name == found.best(metric), "tied": tied}


def _shown(value: Value) -> dict[str, str]:
    bounds = "" if math.isnan(value.low) else f"{value.low:.4f} to {value.high:.4f}"
    return {"value": f"{value.value:.4f}", "bounds": bounds}


def _result_plots(
    reports: Sequence[tuple[str, Report]], metric: str, colours: Mapping[str, int]
) -> list[dict[str, str]]:
    rows = [(n, *_numbers(r.metrics[metric])) for n, r in reports]
    told = svg.whiskers(rows, metric, colours)
    plots = [{"title": f"{metric}, with intervals", "svg": told, "note": ""}]
    shown = [(n, r) for n, r in reports if "popularity@10" in r.metrics]
    if shown:
        clouds = [
            svg.Series(n, [(r.metrics["popularity@10"].value, r.metrics[metric].value)], colours[n])
            for n, r in shown
        ]
        axes = svg.Axes("mean training events of suggested items", metric, from_zero=True)
        note = "Further left: less of what everybody gets. Higher: more often right."
        plots.append(
            {"title": "Accuracy against popularity", "svg": svg.scatter(clouds, axes), "note": note}
        )
    covered = [
        (n, r.metrics["coverage@10"].value) for n, r in reports if "coverage@10" in r.metrics
    ]
    if covered:
        title = "share of the catalogue that anybody is shown in ten"
        plots.append({"title": "Coverage", "svg": svg.bars(covered, title, colours), "note": ""})
    return plots


def _groups(reports: Sequence[tuple[str, Report]], metric: str) -> dict[str, Any] | None:
    names = [n for n, g in reports[0][1].groups.items() if metric in g["metrics"]]
    if not names:
        return None
    best = {
        group: max(r.groups[group]["metrics"][metric].value for _, r in reports) for group in names
    }
    rows = []
    for name, report in reports:
        values = [report.groups[group]["metrics"][metric] for group in names]
        cells = [
            {**_shown(value), "best": 0 < value.value == best[group]}
            for group, value in zip(names, values, strict=True)
        ]
        rows.append({"name": name, "cells": cells})
    heads = [{"name": n, "requests": f"{reports[0][1].groups[n]['requests']:,}"} for n in names]
    return {"heads": heads, "rows": rows}


def _settings(folder: Path) -> dict[str, Any] | None:
    settings = settings_in(folder)
    if not settings:
        return None
    shown = shown_of(settings)
    tables = [{"metric": metric, "rows": _setting_rows(settings, metric)} for metric in shown]
    heads = [
        {"name": one.name, "requests": f"{one.requests:,}", "items": f"{one.targets:,}"}
        for one in settings
    ]
    told = [one.told(shown[0]) for one in settings]
    return {"heads": heads, "tables": tables, "told": told}


def _setting_rows(settings: Sequence[Setting], metric: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "cells": [{**_shown(c.value), "best": c.best, "alike": c.alike} for c in cells],
        }
        for name, cells in rows_of(settings, metric)
    ]


def curves(folder: Path, colours: Mapping[str, int]) -> list[dict[str, str]]:
    """Loss and validation metric by epoch of every run below that was trained."""
    losses, values, metric = [], [], ""
    for number, (place, name) in enumerate(_named(_trained(folder)).items()):
        events = read_log(place)
        colour = colours.get(name, len(colours) + number)
        epochs = {e["epoch"]: float(e["loss"]) for e in events if e["event"] == "epoch"}
        checks = [e for e in events if e["event"] == "validation"]
        if len(epochs) > 1:
            first = abs(next(iter(epochs.values()))) or 1.0
            points = [(e, v / first) for e, v in sorted(epochs.items())]
            losses.append(svg.Series(name, points, colour))
        if checks:
            metric = next(n for n in checks[0] if "@" in n)
            reached = {e["epoch"]: float(e[metric]) for e in checks if metric in e}
            values.append(svg.Series(name, sorted(reached.items()), colour))
    plots = []
    if values:
        axes = svg.Axes("epoch", f"validation {metric}", from_zero=True)
        plots.append({"title": "Validation", "svg": svg.lines(values, axes), "note": ""})
    if losses:
        axes = svg.Axes("epoch", "loss / first loss", from_zero=True)
        note = "Losses of different methods are not comparable; each starts at 1."
        plots.append({"title": "Loss", "svg": svg.lines(losses, axes), "note": note})
    return plots


def _named(places: Sequence[Path]) -> dict[Path, str]:
    """What a reader calls each run: by its method, and by its seed where there are several."""
    seeds = {place: place.name if place.name.startswith("seed-") else "" for place in places}
    runs = {place.parent if seed else place: place for place, seed in seeds.items()}
    studies = [RunFolder(place).study for place in runs.values()]
    methods = [
        {} if one.pipeline is not None else one.all_methods()[0].to_dict() for one in studies
    ]
    names = told_apart([study.title for study in studies], methods)
    called = dict(zip(runs, names, strict=True))
    return {
        place: f"{called[place.parent]}, {seed}" if seed else called[place]
        for place, seed in seeds.items()
    }


def _trained(folder: Path) -> list[Path]:
    logs = folder.rglob("log.jsonl")
    return sorted({path.parent for path in logs if (path.parent / "study.toml").is_file()})


def data_facts(folder: Path) -> dict[str, Any] | None:
    """What `data.json` of a run folder says, with its plots; None where there is none."""
    facts = _json(folder / "data.json")
    if not facts:
        return None
    plots = []
    if facts.get("long_tail"):
        axes = svg.Axes("share of items, most chosen first", "share of events", from_zero=True)
        note = "The steeper the start, the longer the tail."
        curve = svg.area(svg.Series("items", facts["long_tail"]), axes)
        plots.append({"title": "Long tail", "svg": curve, "note": note})
    if facts.get("over_time"):
        axes = svg.Axes(facts["time_unit"], "events", from_zero=True)
        curve = svg.area(svg.Series("events", facts["over_time"]), axes)
        plots.append({"title": "Events over time", "svg": curve, "note": facts["time_note"]})
    return {**facts, "plots": plots}


def _protocol(there: RunFolder, rows: Sequence[Row]) -> list[str]:
    lines = []
    study = there.study
    if study.split is not None:
        fields = {n: v for n, v in study.split.to_dict().items() if n != "kind"}
        told = ", ".join(f"{n} {v}" for n, v in fields.items())
        lines.append(f"Split {type(study.split).__name__}: {told}.")
    if rows:
        lines += [line[0].upper() + line[1:] for line in rows[0].report.protocol()]
    if not rows:
        lines.append(f"Data {study.fingerprint}.")
    lines.append(f"Seeds: {', '.join(map(str, study.seeds))}.")
    if study.notes:
        lines.append(study.notes)
    return list(_once(lines))


def _once(lines: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(lines)


def _numbers(value: Value) -> tuple[float, float, float]:
    return value.value, value.low, value.high


def _seconds(value: Any) -> str:
    return "" if value is None else f"{value:.1f} s"


def _json(path: Path) -> Any:
    return read_json(path) if path.is_file() else None
