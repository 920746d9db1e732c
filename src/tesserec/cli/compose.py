"""`tesserec compose`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet


def compose(
    pipeline: Annotated[
        Path, typer.Argument(metavar="PIPELINE.toml", help="Which runs are joined, and how.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="RUN", help="The run folder to write, or to compose anew.")
    ],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Join fitted models into one: filters, variety, exploration, mixtures, a second opinion.

    Nothing is trained. The folder holds a copy of each model, and is served, asked and evaluated
    like any run; what it was made of may change or go.
    """
    from tesserec.experiment.composing import compose as join
    from tesserec.experiment.study import read_toml

    console = Console(json, quiet)
    done = join(read_toml(pipeline), out)
    kind, runs = type(done.pipeline).__name__, list(done.runs)
    answer = {"run": str(out), "pipeline": kind, "runs": runs, "cannot_be_evaluated": done.apart}
    console.answer(answer, f"{kind} of {', '.join(runs)} in {out}")
    if done.apart is not None:
        console.say(f"It answers, and cannot be evaluated: {done.apart}.")
    else:
        console.say(f"next: tesserec evaluate {out}")
