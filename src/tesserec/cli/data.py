"""`tesserec data import|describe|split`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet

app = typer.Typer(help="Read, look at and split data.", no_args_is_help=True)

OnError = Literal["fail", "skip", "quarantine"]
Source = Annotated[
    str, typer.Argument(help="CSV, TSV, JSONL, Parquet, a RecBole, MMRec or dataset folder.")
]
Column = Annotated[str | None, typer.Option(metavar="NAME", help="Decides where guesses do not.")]


@app.command("import")
def import_(
    source: Source,
    out: Annotated[Path, typer.Argument(help="The dataset folder to write.")],
    on_error: Annotated[OnError, typer.Option(help="What to do with malformed rows.")] = "fail",
    user_column: Column = None,
    item_column: Column = None,
    time_column: Column = None,
    weight_column: Column = None,
    kind_column: Column = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read any source into the one format."""
    from tesserec.data.importing import Columns, import_data

    console = Console(json, quiet)
    columns = Columns(
        user=user_column,
        item=item_column,
        time=time_column,
        weight=weight_column,
        kind=kind_column,
    )
    report = import_data(source, out, on_error=on_error, columns=columns)
    console.answer(report.to_dict(), "\n".join(report.lines()))
    console.say(f"next: tesserec data describe {out}")


@app.command()
def describe(
    data: Annotated[str, typer.Argument(help="A dataset folder, or anything import can read.")],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Counts, density, long tail, cold starts, missing content, and warnings."""
    from tesserec.data.describe import describe as look
    from tesserec.data.reading import read

    found = look(read(data))
    Console(json, quiet).answer(found.to_dict(), "\n".join(found.lines()))


@app.command()
def split(
    data: Annotated[str, typer.Argument(help="A dataset folder, or anything import can read.")],
    out: Annotated[Path, typer.Argument(help="The dataset folder to write, with a split column.")],
    split: Annotated[
        str | None, typer.Option(help="time, last, users, items, sessions, published or cold.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the data with the part of each event in the column `split`."""
    from tesserec.cli.choices import splitter_of
    from tesserec.data.format import write
    from tesserec.data.reading import read
    from tesserec.data.splits import default_split, labelled

    console = Console(json, quiet)
    whole = read(data)
    chosen = splitter_of(split) or default_split(whole)
    parted, counts = labelled(whole, chosen)
    write(parted, out)
    text = "\n".join(f"{name}: {count:,} events" for name, count in counts.items())
    console.answer({"out": str(out), "split": chosen.to_dict(), "events": counts}, text)
    console.say(
        f"split by {type(chosen).__name__}; next: tesserec fit {out} LightGCN --out runs/first"
    )
