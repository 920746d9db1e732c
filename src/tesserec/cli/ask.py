"""`tesserec recommend`, `similar`, `explain`."""

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from tesserec.cli.console import Console, Debug, Json, Quiet

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run or model folder.")]
Data = Annotated[str | None, typer.Option(metavar="DATA", help="Where histories are read.")]
Count = Annotated[int, typer.Option("-k", help="How many.", min=1)]


def recommend(
    run: RunPath,
    user: Annotated[str | None, typer.Option(help="A known user.")] = None,
    history: Annotated[str | None, typer.Option(help="Items, as one line of CSV.")] = None,
    users: Annotated[
        Path | None, typer.Option(help="A file with a user per line, or a table.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet to write for --users.")] = None,
    data: Data = None,
    k: Count = 10,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="""Keep items with: "price < 10".""")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answers for a user, a history, or a file of users."""
    if sum(one is not None for one in (user, history, users)) != 1:
        raise typer.BadParameter("Give one of --user, --history and --users.")
    if (users is None) != (out is None):
        raise typer.BadParameter("--users and --out go together.")
    from tesserec.experiment.asking import Desk

    console = Console(json, quiet)
    desk = Desk.of(run, data)
    if users is not None and out is not None:
        _for_many(console, desk, users, out, k, where)
        return
    if user is not None:
        answers = desk.recommend(desk.users([user], where), k)[0]
    else:
        answers = desk.recommend(desk.history(_items(history or ""), where), k)[0]
    if not answers:
        console.say("Nothing can be answered: no item is left, or nothing is known.")
    _show(console, "score", answers)
    console.answer({"user": user, "items": answers})


def similar(
    run: RunPath,
    item: Annotated[str, typer.Option(help="An item id.")],
    k: Count = 10,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The items nearest to one."""
    from tesserec.experiment.asking import Desk

    console = Console(json, quiet)
    found = Desk.of(run, None).similar(item, k)
    _show(console, "likeness", [{**one, "likeness": one["score"]} for one in found])
    console.answer({"item": item, "items": found})


def explain(
    run: RunPath,
    user: Annotated[str, typer.Option(help="A known user.")],
    item: Annotated[str, typer.Option(help="An item that was or could be recommended.")],
    data: Data = None,
    k: Count = 10,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Which events of a history an answer rests on."""
    from tesserec.experiment.asking import Desk

    console = Console(json, quiet)
    desk = Desk.of(run, data)
    reasons = desk.explain(desk.users([user]), item)[:k]
    _show(console, "share", reasons)
    console.answer({"user": user, "item": item, "reasons": reasons})


def _show(console: Console, figure: str, named: list[dict[str, Any]]) -> None:
    """Items in their order, with a figure and, where they have one, a title."""
    head = ["", "item", figure]
    rows = [[place, one["id"], f"{one[figure]:.4f}"] for place, one in enumerate(named, 1)]
    if any("title" in one for one in named):
        head, rows = [*head, "title"], [[*r, o["title"]] for r, o in zip(rows, named, strict=True)]
    console.table(head, rows)


def _items(line: str) -> list[str]:
    """The ids in one line of CSV."""
    return [one.strip() for one in next(csv.reader([line]), []) if one.strip()]


def _for_many(
    console: Console, desk: Any, users: Path, out: Path, k: int, where: str | None
) -> None:
    """Write a table user, rank, item, score."""
    import polars as pl

    from tesserec.core.files import replacing
    from tesserec.data.reading import read_users

    ids = read_users(users)
    console.progress.start("recommend", len(ids))
    blocks = []
    for block in desk.table(ids, k, where):
        blocks.append(block)
        console.progress.advance(min(4096, len(ids)), {})
    console.progress.finish()
    table = pl.concat(blocks)
    with replacing(out) as aside:
        table.write_parquet(aside)
    value = {"out": str(out), "users": len(ids), "rows": table.height}
    console.answer(value, f"{table.height:,} answers for {len(ids):,} users in {out}")
