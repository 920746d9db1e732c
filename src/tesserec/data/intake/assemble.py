"""Raw tables become one Dataset: read, checked, ids in one type each, everything numbered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tesserec.core import Dataset
from tesserec.core.errors import BadData
from tesserec.data.build import from_tables
from tesserec.data.intake.codes import read_codes
from tesserec.data.intake.gather import ITEMS, USERS, Gathered, gathered
from tesserec.data.intake.links import Pairs
from tesserec.data.intake.options import Columns, OnError
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.raw import Raw
from tesserec.data.intake.vectors import item_vectors


@dataclass(frozen=True)
class Assembled:
    """The dataset, which column became what, and everything that was found on the way."""

    data: Dataset
    columns: Mapping[str, str]  # role -> its name in the file
    found: Findings


def assembled(raw: Raw, name: str, on_error: OnError, chosen: Columns) -> Assembled:
    """Read what a source handed over. Raises `BadData` as `on_error` says."""
    found = Findings(on_error)
    tables = gathered(raw, chosen, found)
    events = _events(tables)
    tables = replace(tables, pairs=_of_known_items(tables, events["item"], found))
    frames = {kind: _whole(kind, tables, events, found) for kind in tables.kinds()}
    items, users = frames.pop(ITEMS), frames.pop(USERS)
    known = tables.things.get(ITEMS)
    vectors = {
        one.name: item_vectors(one, known, items["id"], chosen, found) for one in raw.vectors
    }
    data = from_tables(
        events,
        items,
        users,
        clock=tables.events.clock if tables.events else "none",
        vectors=vectors,
        relations={one.name: (one.head, one.tail, one.frame) for one in tables.pairs},
        others=dict(sorted(frames.items())),
        name=name,
    )
    if raw.codes is not None:
        data = _with_codes(data, raw.codes, found)
    for note in raw.notes:
        found.note(note)
    return Assembled(data, tables.events.columns if tables.events else {}, found)


def _with_codes(data: Dataset, path: Path, found: Findings) -> Dataset:
    """The data with the semantic ids in a file, all of them or none."""
    try:
        sets = read_codes(path).of(data.catalog.items)
    except BadData as error:
        if found.on_error == "fail":
            raise
        found.note(f"Semantic ids are left out: {error.cause}")
        return data
    for name, codes in sets.items():
        data = data.with_codes(name, codes)
    return data


def _events(tables: Gathered) -> pl.DataFrame:
    if tables.events is not None:
        return tables.events.frame
    item, *_ = (ids.column.dtype for ids in tables.met(ITEMS))
    user, *_ = (*(ids.column.dtype for ids in tables.met(USERS)), pl.Int64())
    return pl.DataFrame(schema={"user": user, "item": item})


def _of_known_items(tables: Gathered, met: pl.Series, found: Findings) -> tuple[Pairs, ...]:
    """Links without those that name an item of which nothing else is known."""
    known = [met.alias("id")]
    if ITEMS in tables.things:
        known.append(tables.things[ITEMS].frame["id"])
    items = pl.concat(known).unique()
    kept = []
    for one in tables.pairs:
        frame = one.frame
        for end, kind in (("head", one.head), ("tail", one.tail)):
            if kind == ITEMS:
                strange = ~frame[end].is_in(items.implode())
                ids = frame.filter(strange)[end].unique().sort().to_list()
                found.ids(one.place, "links of unknown items", ids, "left out", "item")
                frame = frame.filter(~strange)
        kept.append(replace(one, frame=frame))
    return tuple(kept)


def _whole(kind: str, tables: Gathered, events: pl.DataFrame, found: Findings) -> pl.DataFrame:
    """The table of one kind of thing, with a row for every id that is met anywhere."""
    column = {ITEMS: "item", USERS: "user"}.get(kind)
    known = [] if column is None else [events[column].alias("id")]
    linked = [ids.column.alias("id") for one in tables.pairs for ids in one.ids(kind)]
    table = tables.things[kind].frame if kind in tables.things else None
    if table is not None:
        known.append(table["id"])
    ids = pl.concat(known + linked).unique().sort()
    strange = len(ids) - pl.concat(known).n_unique() if known else 0
    if strange:
        found.note(f"{kind} known from relations alone: {strange:,}.")
    if table is None:
        return ids.to_frame()
    extra = ids.filter(~ids.is_in(table["id"].implode())).to_frame()
    return pl.concat([table, extra], how="diagonal")
