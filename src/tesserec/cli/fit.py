"""`tesserec fit`, `evaluate`, `compare`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from tesserec.cli.console import Console, Debug, Device, Json, Precision, Quiet, Settings

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Metrics = Annotated[str | None, typer.Option(help="For example recall@20,ndcg@20.")]


def fit(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A dataset, or what import can read.")
    ],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="See: tesserec methods")],
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run folder to write.")],
    split: Annotated[
        str | None, typer.Option(help="time, last, users, items, sessions, published or cold.")
    ] = None,
    requests: Annotated[
        Literal["user", "event", "last"] | None,
        typer.Option(help="One request per user, per event, or for each user's last event."),
    ] = None,
    seen: Annotated[
        Literal["exclude", "exclude_train", "allow"] | None,
        typer.Option(help="What happens to items of the history."),
    ] = None,
    shortest: Annotated[
        int | None, typer.Option(help="Events a history must hold to be asked with.", min=0)
    ] = None,
    vectors: Annotated[
        str | None, typer.Option(metavar="A,B", help="Which item vectors; all where nobody says.")
    ] = None,
    set: Settings = None,
    seed: Annotated[int, typer.Option(help="Of initial weights, order and draws.")] = 0,
    seeds: Annotated[int | None, typer.Option(help="Fit with seeds 0..N-1.", min=1)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run was cut off.")
    ] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    compile: Annotated[bool, typer.Option("--compile", help="torch.compile the loss.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files too [extra: tensorboard].")
    ] = False,
    checkpoint_minutes: Annotated[
        float, typer.Option(help="At most so much work is lost at a kill.", min=0)
    ] = 2.0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Learn a method and save the model; the test part stays closed."""
    from tesserec.cli.choices import method_of, names_in, splitter_of
    from tesserec.experiment.page import write_page
    from tesserec.experiment.preparing import prepare
    from tesserec.experiment.running import Options, fit_seeds
    from tesserec.experiment.study import Study
    from tesserec.experiment.studying import describe_into

    console = Console(json, quiet)
    options = Options(
        device, precision, compile, resume, tensorboard, checkpoint_minutes, console.progress
    )
    numbers = tuple(range(seeds)) if seeds else (seed,)
    study = Study(
        data=data,
        method=method_of(method, set),
        split=splitter_of(split, requests, seen, shortest),
        vectors=None if vectors is None else names_in(vectors),
        seeds=numbers,
    )
    prepared = prepare(study, console.progress)
    fit_seeds(prepared, prepared.study.all_methods()[0], out, numbers, options)
    describe_into(out, prepared)
    write_page(out)
    facts = _facts(out)
    console.answer({"run": str(out), **facts}, _summary(out, facts))
    console.say(f"next: tesserec evaluate {out}")


def evaluate(
    run: RunPath,
    metrics: Metrics = None,
    data: Annotated[str | None, typer.Option(help="Where the data are now.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Open the run's own test part and report, with intervals and groups."""
    from tesserec.cli.tables import show_settings
    from tesserec.evaluation import METRICS
    from tesserec.evaluation.metrics import parse
    from tesserec.experiment.folders import RunFolder
    from tesserec.experiment.page import write_page
    from tesserec.experiment.preparing import prepare
    from tesserec.experiment.running import Options, evaluate_run
    from tesserec.experiment.settings import settings_in

    console = Console(json, quiet)
    wanted = [str(metric) for metric in parse(metrics)] if metrics else list(METRICS)
    study = RunFolder(run).study
    if data is not None:
        study = study.changed({"data": data})
    needs_content = any(name.startswith("ild") for name in wanted)
    prepared = prepare(study, console.progress, content=needs_content)
    report = evaluate_run(run, prepared, wanted, Options(progress=console.progress))
    write_page(run)
    settings = settings_in(run)
    show_settings(console, settings)
    value = {
        "run": str(run),
        "method": report.name,
        "split": report.source["split"]["kind"],
        "requests": report.requests,
        "metrics": {name: value.to_dict() for name, value in report.metrics.items()},
        "seconds": round(report.seconds, 3),
        **({"alarm": report.alarm} if report.alarm else {}),
        **({"settings": [one.to_dict() for one in settings]} if settings else {}),
    }
    console.answer(value, str(report))
    console.say(f"report: {run / 'report.html'}")


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Evaluated run folders.")],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs side by side, with paired tests corrected for how many there are."""
    from tesserec.cli.tables import show_comparison
    from tesserec.experiment.studying import comparison_of

    console = Console(json, quiet)
    found = comparison_of(runs)
    show_comparison(console, found)
    console.answer(found.to_dict())


def _facts(out: Path) -> dict[str, object]:
    from tesserec.experiment.folders import RunFolder

    best = RunFolder(out).best()
    facts = dict(best.facts.get("facts", {}))
    study = best.study
    return {"method": type(study.all_methods()[0]).__name__, "seeds": list(study.seeds), **facts}


def _summary(out: Path, facts: dict[str, object]) -> str:
    lines = [f"{facts['method']} fitted in {facts['fit_seconds']} s; model: {out / 'model'}"]
    if facts.get("valid") is not None:
        lines.append(f"validation {facts['watched']}: {facts['valid']:.4f}")
    missing = cast(Mapping[str, float], facts.get("missing_vectors", {}))
    lines += [f"no {name} vector: {share:.0%} of items" for name, share in missing.items() if share]
    return "\n".join(lines)
