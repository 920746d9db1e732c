"""`tesserec monitor`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Json


def monitor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What is served.")],
    database: Annotated[
        str, typer.Option(metavar="URL", help="Where the server keeps its events.")
    ] = "tesserec.sqlite",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say whether a served model is still right for what happens now, and what to do if not."""
    from tesserec.serve.running import check_installed

    check_installed()
    from tesserec.serve.monitoring import monitor_run

    console = Console(json)
    report = monitor_run(run, database)
    told = report.to_dict()
    console.answer(told)
    rows = [(one.verdict, one.title, one.shown) for one in report.signals]
    title = f"{report.version}: {report.verdict}, {report.events:,} events since {told['since']}"
    console.table(("verdict", "signal", "now"), rows, title)
    for one in report.signals:
        if one.do:
            console.say(f"{one.title}: {one.says} {one.do}")
