"""`tesserec forget`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tesserec.cli.console import Console, Debug, Device, Json, Quiet


def forget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder; it is replaced.")],
    user: Annotated[str | None, typer.Option(help="Somebody who asks to be forgotten.")] = None,
    item: Annotated[str | None, typer.Option(help="An item that is to be gone.")] = None,
    how: Annotated[
        Literal["auto", "exact", "shards", "gradient"],
        typer.Option(
            help="exact: fit again. shards: learn the shards that held them again (SRU). gradient: "
            "approximate and fast. auto: shards where there are some, else exact."
        ),
    ] = "auto",
    also: Annotated[
        Literal["none", "CED", "NED", "RED"],
        typer.Option(help="What else goes of a session: what is alike, just before, at random."),
    ] = "none",
    count: Annotated[int, typer.Option(min=1, help="How many events of the session go also.")] = 1,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Also fit from the start, and say how well that model would tell them. An exact "
            "way is such a fit.",
        ),
    ] = False,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Take a user, an item or one event out of the data and the model of a run, with a receipt.

    With both --user and --item it is forgotten that the one chose the other.

    The data folder that the run was fitted on is rewritten without the rows, and the run's folder
    is replaced: model, checkpoints and reports. Other runs on these data have to be fitted again.
    """
    from tesserec.core.registry import find
    from tesserec.experiment.forgetting import forget as forgotten
    from tesserec.experiment.running import Options
    from tesserec.experiment.takingout import NOTHING, Asked

    if user is None and item is None:
        raise typer.BadParameter("Give --user, --item, or both.")
    if also != "none" and (user is None or item is None):
        raise typer.BadParameter("--also goes with one event: give --user and --item.")
    console = Console(json, quiet)
    options = Options(device=device, progress=console.progress)
    extra = NOTHING if also == "none" else find(also)(count=count)
    done = forgotten(run, Asked(user, item, extra), options, how, compare)
    receipt = {"run": str(run), "receipt": str(done.path), **done.receipt.to_dict()}
    console.answer(receipt, done.receipt.text())
    console.say(f"receipt: {done.path}; next: tesserec evaluate {run}")
    if not done.receipt.holds:
        raise typer.Exit(1)
