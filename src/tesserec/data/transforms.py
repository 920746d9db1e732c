"""From a Dataset to another one: fewer events, other users. Ids stay what they are.

Users and items that lose their last event leave the catalogue, and with them their vectors and
links; those that never had one stay, unless it says otherwise.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from tesserec.core import Catalog, Dataset, Entities, Relation
from tesserec.core.errors import BadData, NoOrder
from tesserec.data.build import from_tables


def k_core(data: Dataset, users: int = 5, items: int = 5) -> Dataset:
    """Only users with at least so many events, and items likewise, each counted after the other.

    Those without events leave, too. Raises `BadData` when nothing is left.
    """
    frame = data.interactions.frame
    while True:
        kept = frame.filter((pl.len().over("user") >= users) & (pl.len().over("item") >= items))
        if kept.height == frame.height:
            break
        frame = kept
    if not frame.height:
        raise BadData(f"No user has {users} events on items that have {items}.", "Ask for fewer.")
    people = np.isin(np.arange(len(data.catalog.users)), frame["user"].to_numpy())
    things = np.isin(np.arange(len(data.catalog.items)), frame["item"].to_numpy())
    return _restricted(data, frame, people, things)


def deduplicate(data: Dataset, keep: Literal["first", "last"] = "first") -> Dataset:
    """One event for each user, item and kind: the first or the last in the order of time."""
    frame = data.interactions.frame
    same = [name for name in ("user", "item", "kind") if name in frame.columns]
    return _without_lost(data, frame.unique(same, keep=keep, maintain_order=True))


def only(data: Dataset, kinds: Sequence[str]) -> Dataset:
    """Only events of these kinds. Raises `BadData` for a kind there is not."""
    known = data.interactions.kinds
    for kind in kinds:
        if kind not in known:
            raise BadData(f"There are no {kind!r} events, only {', '.join(known) or 'no kinds'}.")
    frame = data.interactions.frame.filter(pl.col("kind").is_in(list(kinds)))
    left = [kind for kind in known if kind in kinds]
    frame = frame.with_columns(pl.col("kind").cast(pl.String).cast(pl.Enum(left)))
    return _without_lost(data, frame)


def without(
    data: Dataset, users: Sequence[Any] = (), items: Sequence[Any] = ()
) -> tuple[Dataset, Dataset]:
    """The data as if some users and items had never been, and the same with their events alone.

    Nobody else leaves. Raises `UnknownId` for an id there is not.
    """
    frame, catalog = data.interactions.frame, data.catalog
    people, things = np.ones(len(catalog.users), bool), np.ones(len(catalog.items), bool)
    people[[catalog.users.row(one) for one in users]] = False
    things[[catalog.items.row(one) for one in items]] = False
    kept = people[frame["user"].to_numpy()] & things[frame["item"].to_numpy()]
    gone = replace(data.interactions, frame=frame.filter(pl.Series(~kept)))
    rest = _restricted(data, frame.filter(pl.Series(kept)), people, things)
    return rest, replace(data, interactions=gone)


def sessions(data: Dataset, gap_seconds: int = 1800) -> Dataset:
    """Every user becomes one user per session; a pause longer than the gap ends a session.

    The second session of `ann` is `ann#2`, with ann's features. Links of users are left out, as
    are users without events. Raises `NoOrder` without times.
    """
    if data.interactions.clock != "seconds":
        raise NoOrder("Sessions are told apart by pauses, and these events have no times.")
    catalog, events = data.catalog, data.interactions.frame
    pause = (pl.col("time").diff().over("user") > gap_seconds).fill_null(False)
    # Two steps, as a window within a window is not for every version of polars.
    paused = events.with_columns(session=pause.cast(pl.Int64))
    numbered = paused.with_columns(session=pl.col("session").cum_sum().over("user"))
    owner = catalog.users.ids.gather(numbered["user"]).cast(pl.String)
    place = (numbered["session"] + 1).cast(pl.String)
    name = (owner + "#" + place).alias("user")
    users = pl.DataFrame({"id": name, "row": numbered["user"]}).unique("id", maintain_order=True)
    features = catalog.users.features
    if features.width:
        users = pl.concat([users, features[users["row"].to_list()]], how="horizontal")
    item = catalog.items.ids.gather(numbered["item"]).alias("item")
    frame = numbered.drop("session", "user", "item").with_columns(name, item)
    items = pl.DataFrame([catalog.items.ids.alias("id"), *catalog.items.features])
    made = from_tables(
        frame,
        items,
        users.drop("row"),
        clock="seconds",
        vectors=catalog.items.vectors,
        name=data.name,
    )
    links = {
        name: one for name, one in catalog.relations.items() if "users" not in (one.head, one.tail)
    }
    masks, codes = catalog.items.masks, catalog.items.codes
    items_again = replace(made.catalog.items, masks=masks, codes=codes)
    whole = Catalog(items_again, made.catalog.users, catalog.others, links)
    return replace(made, catalog=whole, folder=data.folder)


def _without_lost(data: Dataset, frame: pl.DataFrame) -> Dataset:
    """The data with these events alone; who has none left, and had some, leaves."""
    kept = []
    for what, count in (("user", len(data.catalog.users)), ("item", len(data.catalog.items))):
        before, after = (
            np.bincount(events[what].to_numpy(), minlength=count) > 0
            for events in (data.interactions.frame, frame)
        )
        kept.append(after | ~before)
    return _restricted(data, frame, *kept)


def _restricted(
    data: Dataset, frame: pl.DataFrame, users: NDArray[np.bool_], items: NDArray[np.bool_]
) -> Dataset:
    """The rows of the catalogue for which the masks are true, numbered anew, and their events."""
    if users.all() and items.all():
        return replace(data, interactions=replace(data.interactions, frame=frame))
    catalog = data.catalog
    new = {"users": np.cumsum(users) - 1, "items": np.cumsum(items) - 1}
    kept = {"users": users, "items": items}
    relations = {}
    for name, one in catalog.relations.items():
        links = one.frame
        for end, kind in (("head", one.head), ("tail", one.tail)):
            if kind in kept:
                links = links.filter(pl.Series(kept[kind][links[end].to_numpy()]))
                links = links.with_columns(pl.Series(end, new[kind][links[end].to_numpy()]))
        relations[name] = Relation(one.head, one.tail, links)
    frame = frame.with_columns(
        pl.Series("user", new["users"][frame["user"].to_numpy()]),
        pl.Series("item", new["items"][frame["item"].to_numpy()]),
    )
    smaller = Catalog(
        _chosen(catalog.items, items), _chosen(catalog.users, users), catalog.others, relations
    )
    return replace(data, catalog=smaller, interactions=replace(data.interactions, frame=frame))


def _chosen(entities: Entities, which: NDArray[np.bool_]) -> Entities:
    mask, rows = pl.Series(which), torch.from_numpy(which)
    features = entities.features.filter(mask) if entities.features.width else entities.features
    vectors = {name: table[rows] for name, table in entities.vectors.items()}
    masks = {name: table[rows] for name, table in entities.masks.items()}
    codes = {name: replace(one, table=one.table[rows]) for name, one in entities.codes.items()}
    return Entities(entities.ids.filter(mask), features, vectors, masks, codes)
