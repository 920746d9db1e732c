"""`tesserec update`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Device, Json, Quiet, Settings


def update(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a model folder.")],
    items: Annotated[
        Path | None, typer.Option(help="New items: a table, or a data folder.", metavar="FILE")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="New events: what `data import` reads.", metavar="FILE")
    ] = None,
    updater: Annotated[str, typer.Option(help="How events are learned from.")] = "WarmStart",
    set: Settings = None,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Take new items into a fitted model at once, or let it learn from new events.

    Items are encoded as the run's study says, or bring vectors of the same names: a column of
    lists, or the vectors of a data folder; nothing is trained. Events are learned from for a few
    epochs, with a share of the old ones: --set replay=0.2 --set epochs=3. The data of the run are
    left as they are.
    """
    from tesserec.core.registry import find
    from tesserec.experiment.adding import add_items
    from tesserec.experiment.running import Options
    from tesserec.experiment.study import overrides
    from tesserec.experiment.updating import add_events
    from tesserec.lifecycle.updating import Updater

    console = Console(json, quiet)
    if items is not None and events is None:
        done = add_items(run, items)
    elif events is not None and items is None:
        chosen = find(updater, Updater)().changed(overrides(set or ()))
        options = Options(device=device, progress=console.progress)
        done = add_events(run, events, chosen, options)
    else:
        raise typer.BadParameter("Give one of --items and --events.")
    console.answer({"run": str(run), **done.to_dict()}, done.text())
    console.say(f"next: tesserec recommend {run} --history item,item")
