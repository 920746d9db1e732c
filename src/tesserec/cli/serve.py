"""`tesserec serve`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.ask import Data
from tesserec.cli.console import Console, Debug, Quiet, Settings


def serve(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run or model folder, or a folder of runs.")
    ],
    host: Annotated[str, typer.Option(help="Beyond this machine only with keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Where events are kept: a file, postgresql://..., memory."
        ),
    ] = "tesserec.sqlite",
    workers: Annotated[
        int, typer.Option(help="Processes, each with a copy of the model.", min=1)
    ] = 1,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON or TOML: read, write and admin keys.")
    ] = None,
    data: Data = None,
    set: Settings = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answer over HTTP. --set changes a limit: k=50, seconds=2, waiting=100, rate=20, ..."""
    from tesserec.experiment.study import overrides
    from tesserec.serve.limits import Limits
    from tesserec.serve.running import Serving, serve

    console = Console(quiet=quiet)
    serving = Serving(
        run=run,
        data=data,
        host=host,
        port=port,
        database=database,
        workers=workers,
        keys=keys,
        limits=Limits().changed(overrides(set or [])),
    )
    serve(serving, console.say)
