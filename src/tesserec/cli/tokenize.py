"""`tesserec tokenize`."""

from pathlib import Path
from typing import Annotated

import typer

from tesserec.cli.console import Console, Debug, Device, Json, Quiet, Settings


def tokenize(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data folder.")],
    quantizer: Annotated[
        str | None, typer.Option(help="RQKMeans where none is given; Given looks at ids there are.")
    ] = None,
    levels: Annotated[int | None, typer.Option(help="Tokens of each item.")] = None,
    codes: Annotated[int | None, typer.Option(help="Different tokens of each level.")] = None,
    vectors: Annotated[str | None, typer.Option(help="Which item vectors are read.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the ids; the quantizer's where none is given.")
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="The column of items that ids are compared with.")
    ] = None,
    set: Settings = None,
    seed: Annotated[
        int | None, typer.Option(help="Of all that is random; 0 where none is given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; DATA/semantic_ids.parquet by default.")
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Give new items ids, and change nobody else's.")
    ] = False,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Give items semantic ids: a few tokens each, from coarse to fine."""
    from tesserec.cli.choices import quantizer_of
    from tesserec.core import Run
    from tesserec.core.errors import BadSpec
    from tesserec.experiment import tokenizing
    from tesserec.experiment.idpage import head, level_rows, sentences, write_id_page
    from tesserec.training.devices import best_device

    console = Console(json, quiet)
    if add:
        said = [quantizer, levels, codes, vectors, name, category, set or None, seed]
        if any(one is not None for one in said) or device != "auto":
            raise BadSpec("--add takes the codebooks there are.", "Say DATA and --out alone.")
        _add(console, data, out)
        return
    fields = {"levels": levels, "codes": codes, "vectors": vectors}
    chosen = quantizer_of(quantizer, fields, set)
    run = Run(seed=seed or 0, device=str(best_device(device)), progress=console.progress)
    made = tokenizing.tokenize(data, chosen, run, name, category, out)
    page = write_id_page(made)
    console.table(head(made), level_rows(made))
    where = {"file": str(made.file), "written": made.written, "page": str(page)}
    value = {"data": data, **made.facts, **where}
    end = f"written: {made.file}" if made.written else f"{made.file} is as it was"
    console.answer(value, "\n".join([*sentences(made), end]))
    console.say(f"look at the tree of ids: {page}")


def _add(console: Console, data: str, out: Path | None) -> None:
    from tesserec.experiment.idpage import write_id_page
    from tesserec.experiment.newids import add

    done = add(data, out)
    for one in done:
        for trouble in (one.doubt, one.stale):
            if trouble:
                console.say(trouble)
    pages = [str(write_id_page(one.renewed)) for one in done if one.renewed is not None]
    value = {"data": data, "sets": [one.to_dict() for one in done], "pages": pages}
    console.answer(value, "\n".join(one.line() for one in done))
    for page in pages:
        console.say(f"look at the tree of ids: {page}")
