"""Tables of pairs and triples become relations between items, users and other things."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tesserec.data.intake.checks import Check, id_checks, parted
from tesserec.data.intake.ids import Ids, as_type
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.raw import Knowledge, Links
from tesserec.data.tables import ROW, Loaded, Table

ENTITIES = "entities"


@dataclass(frozen=True)
class Pairs:
    """Checked links: columns head, tail [, kind, weight], ids as they lie in the file."""

    name: str
    place: str
    head: str
    tail: str
    frame: pl.DataFrame
    typed: bool

    def ids(self, kind: str) -> list[Ids]:
        """The ids of one kind of thing that these links speak of."""
        ends = [("head", self.head), ("tail", self.tail)]
        return [Ids(self.frame[end], self.typed) for end, what in ends if what == kind]

    def as_types(self, types: Mapping[str, type[pl.DataType]]) -> "Pairs":
        """The same links, ids in the type all tables share."""
        frame = self.frame.with_columns(
            head=as_type(self.frame["head"], types[self.head]),
            tail=as_type(self.frame["tail"], types[self.tail]),
        )
        return Pairs(self.name, self.place, self.head, self.tail, frame, True)


def read_links(links: Links, found: Findings) -> Pairs:
    """The rows of a table of pairs; a list of tails counts as one row each."""
    columns = {"head": links.head_column, "tail": links.tail_column}
    if links.kind_column is not None:
        columns["kind"] = links.kind_column
    if links.weight_column is not None:
        columns["weight"] = links.weight_column
    frame = _read(links.table, columns, found)
    return Pairs(links.name, links.table.place, links.head, links.tail, frame, links.table.typed)


def read_knowledge(knowledge: Knowledge, items: list[Ids], found: Findings) -> list[Pairs]:
    """Triples as one relation for each pair of head and tail: items or entities."""
    columns = {"head": knowledge.head_column, "tail": knowledge.tail_column}
    frame = _read(knowledge.table, {**columns, "kind": knowledge.kind_column}, found)
    frame = frame.select(pl.col("head", "tail", "kind").cast(pl.String))
    item_of = _item_of(knowledge, items)
    for end in ("head", "tail"):
        known = item_of.rename({"entity": end, "item": f"{end}_item"})
        frame = frame.join(known, on=end, how="left")
    kinds = ("items", ENTITIES)
    parts = {(head, tail): _part(frame, head, tail) for head in kinds for tail in kinds}
    place = knowledge.table.place
    return [
        Pairs(f"knowledge_{head}_{tail}", place, head, tail, part, False)
        for (head, tail), part in parts.items()
        if part.height
    ]


def _part(frame: pl.DataFrame, head: str, tail: str) -> pl.DataFrame:
    for end, what in (("head", head), ("tail", tail)):
        item = pl.col(f"{end}_item")
        frame = frame.filter(item.is_not_null() if what == "items" else item.is_null())
        frame = frame.with_columns((item if what == "items" else pl.col(end)).alias(end))
    return frame.select("head", "tail", "kind")


def _item_of(knowledge: Knowledge, items: list[Ids]) -> pl.DataFrame:
    """Which item each entity is: entity, item, both as text."""
    if knowledge.link is not None:
        table, item, entity = knowledge.link
        frame = table.load().frame.select(entity=entity, item=item).cast(pl.String)
        return frame.drop_nulls().unique()
    if knowledge.entities is not None:
        return pl.DataFrame(schema={"entity": pl.String, "item": pl.String})
    ids = pl.concat([one.column.cast(pl.String) for one in items]).unique()
    return pl.DataFrame({"entity": ids, "item": ids})


def _read(table: Table, columns: dict[str, str], found: Findings) -> pl.DataFrame:
    """The rows with a head and a tail, and only these columns, by their new names."""
    loaded = table.load()
    frame = loaded.frame.select(ROW, **columns)
    checks = []
    for end in ("head", "tail"):
        if isinstance(frame.schema[end], pl.List):
            frame = frame.filter(pl.col(end).list.len() > 0).explode(end)
        checks += id_checks(end, columns[end], frame.schema[end], end)
    if "kind" in columns:
        frame = frame.with_columns(pl.col("kind").cast(pl.String))
    if "weight" in columns:
        frame = frame.with_columns(pl.col("weight").cast(pl.Float32, strict=False))
        number = pl.col("weight").is_finite().fill_null(False)
        value = pl.col("weight").cast(pl.String)
        checks.append(Check("weight is no number", columns["weight"], ~number, value))
    good, bad = parted(Loaded(frame, loaded.broken), checks)
    found.rows(table.place, bad)
    return good.drop(ROW)
