"""RecBole's atomic files: `NAME.inter` and its relatives, with types in their headers.

    NAME.inter             events
    NAME.item  NAME.user   features
    NAME.kg    NAME.link   triples between entities, and which entity an item is
    NAME.net               which users are linked

A header reads `user_id:token <tab> age:float <tab> title:token_seq`. Nothing is quoted.
"""

from pathlib import Path

import polars as pl

from tesserec.data.intake import Knowledge, Links, Raw
from tesserec.data.sources.atomic import atomic_table, beside, column, has_types, inter_file
from tesserec.data.sources.source import Source
from tesserec.data.tables import Table

_RELATIVES = (".item", ".user", ".kg", ".link", ".net")


class RecBole(Source):
    """Atomic files in a folder, or those whose path begins alike."""

    def recognises(self, path: Path) -> bool:
        inter = inter_file(path)
        return inter is not None and has_types(inter)

    def tables(self, path: Path) -> Raw:
        inter = inter_file(path)
        assert inter is not None  # it was recognised
        found = {suffix: beside(inter, suffix) for suffix in _RELATIVES}
        tables = {suffix: _typed(one) for suffix, one in found.items() if one is not None}
        known = {inter, *found.values()}
        left = sorted(one.name for one in inter.parent.glob(f"{inter.stem}.*") if one not in known)
        return Raw(
            interactions=_typed(inter),
            items=tables.get(".item"),
            users=tables.get(".user"),
            links=_people(tables.get(".net")),
            knowledge=_knowledge(tables.get(".kg"), tables.get(".link")),
            notes=(f"Left alone: {', '.join(left)}.",) if left else (),
        )


def _typed(path: Path) -> Table:
    """An atomic file with bare column names, and lists where its header says sequence."""
    table = atomic_table(path)
    types = dict(name.rsplit(":", 1) for name in table.columns if ":" in name)
    names = {f"{name}:{kind}": name for name, kind in types.items()}
    text = [name for name, kind in types.items() if kind == "token_seq" and not _is_prose(name)]
    numbers = [name for name, kind in types.items() if kind == "float_seq"]

    def listed(frame: pl.DataFrame) -> pl.DataFrame:
        words = (pl.col(name).str.strip_chars().str.split(" ") for name in [*text, *numbers])
        frame = frame.with_columns(words)
        return frame.with_columns(pl.col(name).cast(pl.List(pl.Float64)) for name in numbers)

    renamed = table.renamed(names)
    return renamed.then(listed, list(renamed.columns))


def _is_prose(name: str) -> bool:
    """Whether a sequence of words is a text to be read, and no list of labels."""
    return name.lower().endswith(("title", "name", "description", "text", "summary", "review"))


def _people(net: Table | None) -> tuple[Links, ...]:
    if net is None:
        return ()
    head, tail = column(net, ("source_id",)), column(net, ("target_id",))
    return (Links("friends", net, "users", "users", head, tail),)


def _knowledge(triples: Table | None, link: Table | None) -> Knowledge | None:
    if triples is None:
        return None
    head = column(triples, ("head_id", "head"))
    kind = column(triples, ("relation_id", "relation"))
    tail = column(triples, ("tail_id", "tail"))
    known = None
    if link is not None:
        known = (link, column(link, ("item_id",)), column(link, ("entity_id", "entity")))
    return Knowledge(triples, head, kind, tail, known)
