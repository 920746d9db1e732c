"""`tesserec run` and `tune`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tesserec.cli.console import Console, Debug, Device, Json, Precision, Quiet, Settings

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A study file.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where it was cut off.")]


def run(
    study: StudyPath,
    set: Settings = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds 0..N-1 for every method.", min=1)] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run folder; default runs/<name of study>."),
    ] = None,
    resume: Resume = False,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit, evaluate and compare everything in a study, baselines included."""
    from tesserec.cli.tables import show_comparison, show_settings
    from tesserec.experiment.running import Options
    from tesserec.experiment.settings import settings_in
    from tesserec.experiment.study import Study, overrides
    from tesserec.experiment.studying import run_study

    console = Console(json, quiet)
    whole = Study.read(study).changed(overrides(set or []))
    if seeds:
        whole = whole.changed({"seeds": tuple(range(seeds))})
    folder = out or Path("runs") / study.stem
    options = Options(device, precision, resume=resume, progress=console.progress)
    found = run_study(whole, folder, options)
    show_comparison(console, found)
    settings = settings_in(folder)
    show_settings(console, settings)
    more = {"settings": [one.to_dict() for one in settings]} if settings else {}
    console.answer({"run": str(folder), **found.to_dict(), **more})
    console.say(f"report: {folder / 'report.html'}")


def tune(
    study: StudyPath,
    trials: Annotated[int, typer.Option(help="How many settings to try.", min=1)],
    set: Settings = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Default runs/<name of study>-tune.")
    ] = None,
    sampler: Annotated[
        Literal["random", "tpe"], typer.Option(help="tpe needs the extra `tune`.")
    ] = "random",
    resume: Resume = False,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Try settings on the validation part; the best becomes a study of its own."""
    from tesserec.experiment.running import Options
    from tesserec.experiment.search import tune as search
    from tesserec.experiment.study import Study, overrides

    console = Console(json, quiet)
    whole = Study.read(study).changed(overrides(set or []))
    folder = out or Path("runs") / f"{study.stem}-tune"
    options = Options(device, precision, resume=resume, progress=console.progress)
    found = search(whole, trials, folder, options, sampler)
    names = list(found[0].settings)
    rows = [[f"{t.value:.4f}", *(t.settings[n] for n in names), t.seconds] for t in found[:10]]
    console.table(["validation", *names, "seconds"], rows)
    best = {"value": found[0].value, "settings": dict(found[0].settings)}
    console.answer({"run": str(folder), "trials": len(found), "best": best})
    console.say(f"next: tesserec run {folder / 'best.toml'}")
