"""`tesserec encode`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tesserec.cli.console import Console, Debug, Device, Json, Quiet, Settings


def encode(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A data folder.")],
    modality: Annotated[
        Literal["text", "image", "audio", "video"], typer.Option(help="What is encoded.")
    ],
    encoder: Annotated[
        str | None,
        typer.Option(help="An encoder, a model's folder, or its name on the hub: OWNER/NAME."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of text, or the column of paths: title,brand")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the vectors; the modality where none is given.")
    ] = None,
    set: Settings = None,
    precision: Annotated[
        Literal["float32", "float16"], typer.Option(help="Of the vectors that are written.")
    ] = "float32",
    on_error: Annotated[
        Literal["skip", "fail"], typer.Option(help="What to do with what cannot be decoded.")
    ] = "skip",
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Fetch files that a column names on the web.")
    ] = False,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn texts, pictures, sounds or clips of items into vectors beside the data."""
    from tesserec.cli.choices import encoder_of
    from tesserec.content.encoding import Options
    from tesserec.content.folder import encode_folder
    from tesserec.data.format import read
    from tesserec.experiment.page import write_content_page
    from tesserec.training.devices import best_device

    console = Console(json, quiet)
    chosen = encoder_of(modality, encoder, columns, set)
    options = Options(
        device=str(best_device(device)),
        on_error=on_error,
        download=allow_download,
        progress=console.progress,
    )
    done = encode_folder(data, chosen, options, name, precision)
    page = write_content_page(read(data), data / "vectors" / "neighbours.html")
    value = {"data": str(data), "name": done.name, **done.facts, "page": str(page)}
    console.answer(value, "\n".join(done.lines()))
    console.say(f"look at what is nearest to what: {page}")
