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
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Take a user or an item out of the data and out of the model of a run, with a receipt.

    The data folder that the run was fitted on is rewritten without the rows, and the run's folder
    is replaced: model, checkpoints and reports. Other runs on these data have to be fitted again.
    """
    from tesserec.experiment.forgetting import forget as forgotten
    from tesserec.experiment.running import Options

    console = Console(json, quiet)
    options = Options(device=device, progress=console.progress)
    if user is not None and item is None:
        done = forgotten(run, "user", user, options, how)
    elif item is not None and user is None:
        done = forgotten(run, "item", item, options, how)
    else:
        raise typer.BadParameter("Give one of --user and --item.")
    receipt = {"run": str(run), "receipt": str(done.path), **done.receipt.to_dict()}
    console.answer(receipt, done.receipt.text())
    console.say(f"receipt: {done.path}; next: tesserec evaluate {run}")
    if not done.receipt.holds:
        raise typer.Exit(1)
