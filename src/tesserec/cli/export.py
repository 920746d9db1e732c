"""`tesserec export`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet, Settings


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run or model folder.")],
    format: Annotated[str, typer.Option(metavar="FORMAT", help="onnx, faiss or parquet.")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="The folder to write.")],
    set: Settings = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a model for other programs: a graph, an index, or its vectors."""
    from tesserec.core.registry import find
    from tesserec.experiment.folders import RunFolder
    from tesserec.experiment.study import overrides
    from tesserec.recommenders.export import Format
    from tesserec.recommenders.export import export as write

    console = Console(json, quiet)
    chosen = find(format, Format).from_dict(overrides(set or []))
    facts = write(RunFolder(run).model(), chosen, out)
    console.answer({"out": str(out), **facts}, f"{facts['method']} as {facts['format']} in {out}")
