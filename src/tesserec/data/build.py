"""From tables with raw ids to a Dataset: ids become row numbers here, and nowhere else."""

from collections.abc import Mapping

import polars as pl
import torch
from torch import Tensor

from tesserec.core import Catalog, Clock, Dataset, Entities, Interactions, Relation
from tesserec.core.errors import BadData


def from_tables(
    interactions: pl.DataFrame,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    *,
    clock: Clock | None = None,
    vectors: Mapping[str, Tensor] | None = None,
    relations: Mapping[str, tuple[str, str, pl.DataFrame]] | None = None,
    others: Mapping[str, pl.DataFrame] | None = None,
    name: str = "data",
) -> Dataset:
    """A dataset of raw tables.

    `interactions` has columns user, item and optionally time (int64), weight, kind, split and
    context. `items` and `users` have an `id` and features; ids that only interactions hold are
    added. Rows are numbered by sorted id, so the order of a table's rows changes nothing.
    `vectors` has one row per row of `items` as given. `relations` maps a name to what head and
    tail are ("items", "users" or a name in `others`) and a table of head, tail and more. Without
    `clock`, times are seconds.
    """
    item_table = _entities(items, interactions["item"], "item")
    user_table = _entities(users, interactions["user"], "user")
    tables = {}
    for kind, table in (vectors or {}).items():
        if items is None or len(table) != items.height:
            raise BadData(f"Vectors {kind!r} have {len(table)} rows, items have another number.")
        tables[kind] = _reordered(table, items["id"], item_table.ids)
    item_table = Entities(item_table.ids, item_table.features, tables)
    for kind in tables:
        item_table.check_vectors(kind)
    more = {name: _entities(table, table["id"], name) for name, table in (others or {}).items()}
    catalog = Catalog(item_table, user_table, more)
    known = {"items": catalog.items, "users": user_table, **more}
    links = {
        name: Relation(head, tail, linked(frame, known[head], known[tail]))
        for name, (head, tail, frame) in (relations or {}).items()
    }
    catalog = Catalog(catalog.items, user_table, more, links)
    clock = clock or ("seconds" if "time" in interactions.columns else "none")
    return Dataset(catalog, Interactions(numbered(interactions, catalog), clock), name)


def numbered(frame: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Events with raw ids as events with row numbers, in the canonical order.

    Sorted by time, user, item and whatever else there is, so that equal data are equal whatever
    the order of the file. `kind` becomes an Enum. Raises `BadData` for ids no table holds.
    """
    rows = {
        "user": _rows(frame["user"], catalog.users.ids),
        "item": _rows(frame["item"], catalog.items.ids),
    }
    for column, values in rows.items():
        missing = values.null_count()
        if missing:
            raise BadData(
                f"{missing} events are of unknown {column}s: the {column} table lacks their ids.",
                f"Add it to {column}s.parquet, or leave that file out.",
            )
    frame = frame.with_columns(**rows)
    if "kind" in frame.columns and not isinstance(frame.schema["kind"], pl.Enum):
        text = frame["kind"].cast(pl.String).fill_null("")
        kinds = text.unique().sort().to_list()
        frame = frame.with_columns(kind=text.cast(pl.Enum(kinds)))
    first = [name for name in ["time", "user", "item"] if name in frame.columns]
    rest = [_key(n, frame.schema[n]) for n in sorted(frame.columns) if n not in first]
    frame = frame.select([*first, *(n for n in frame.columns if n not in first)])
    return frame.sort(*first, *rest)


def _entities(table: pl.DataFrame | None, met: pl.Series, what: str) -> Entities:
    """A table of things sorted by id, with those that are only met in events added."""
    ids = met.unique()
    if table is None:
        return Entities(ids.sort().alias("id"))
    if table["id"].null_count():
        raise BadData(f"A row of the {what} table has no id.")
    doubled = table["id"].filter(table["id"].is_duplicated())
    if len(doubled):
        raise BadData(f"The {what} table holds {doubled[0]!r} twice.", "Keep one row per id.")
    ids = ids.cast(table.schema["id"])
    extra = pl.DataFrame({"id": ids.filter(~ids.is_in(table["id"].implode()))})
    whole = pl.concat([table, extra], how="diagonal").sort("id")
    return Entities(whole["id"], whole.drop("id"))


def _rows(ids: pl.Series, known: pl.Series) -> pl.Series:
    """The row number of each id, null where it is unknown."""
    lookup = pl.DataFrame({"id": known}).with_row_index("row")
    asked = pl.DataFrame({"id": ids.cast(known.dtype)})
    found = asked.join(lookup, on="id", how="left", maintain_order="left")["row"]
    return found.cast(pl.Int64)


def linked(frame: pl.DataFrame, heads: Entities, tails: Entities) -> pl.DataFrame:
    """Links of raw ids as links of row numbers, in an order that is always the same.

    Raises `BadData` for ids no table holds.
    """
    head, tail = _rows(frame["head"], heads.ids), _rows(frame["tail"], tails.ids)
    found = frame.with_columns(head=head, tail=tail)
    if head.null_count() or tail.null_count():
        raise BadData("A relation names an id that no table holds.", "Add it to its table.")
    rest = [_key(n, found.schema[n]) for n in sorted(found.columns) if n not in ("head", "tail")]
    return found.sort("head", "tail", *rest)


def _reordered(table: Tensor, given: pl.Series, wanted: pl.Series) -> Tensor:
    """Vectors in the order of `wanted` ids; zeros for ids that were not given."""
    rows = _rows(wanted, given)
    place = torch.from_numpy(rows.fill_null(0).to_numpy().copy())
    found = table[place]
    found[torch.from_numpy(rows.is_null().to_numpy().copy())] = 0
    return found


def _key(name: str, dtype: pl.DataType) -> pl.Expr:
    """What rows are sorted by: the value, or its text where values have no order."""
    return pl.struct(name).struct.json_encode() if dtype.is_nested() else pl.col(name)
