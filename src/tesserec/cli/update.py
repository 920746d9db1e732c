"""`tesserec update`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet


def update(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run or model folder.")],
    items: Annotated[
        Path | None, typer.Option(help="New items: a table, or a data folder.", metavar="FILE")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Take new items into a fitted model, without fitting it again.

    Items are encoded as the run's study says, or bring vectors of the same names: a column of
    lists, or the vectors of a data folder. Items that the model knows stay as they are, and so do
    the data of the run.
    """
    from tesserec.experiment.updating import add_items

    console = Console(json, quiet)
    if items is None:
        raise typer.BadParameter("Give --items.")
    done = add_items(run, items)
    console.answer({"run": str(run), **done.to_dict()}, done.text())
    console.say(f"next: tesserec recommend {run} --history item,item")
