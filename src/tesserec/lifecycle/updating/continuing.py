"""Old and new events over one catalogue, in which everybody keeps the row a model knows them by."""

from dataclasses import replace

import polars as pl
import torch

from tesserec.core import Answering, Catalog, Dataset, Entities, Interactions
from tesserec.core.errors import BadData, CannotAnswer, UnknownId
from tesserec.data.build import numbered

NEW = "__new__"


def continued(
    recommender: Answering, old: Dataset, new: Dataset, added: Entities | None = None
) -> tuple[Dataset, Dataset]:
    """What a model learned from and what came after, with rows of the model first.

    People who are new come last, and so do items. Vectors are those of `old` and of items that
    were `added` since; other new items have none. Semantic ids are the model's. Raises `UnknownId`
    for a new item where every item needs a semantic id, `BadData` for events that lack a column.
    """
    known = recommender.catalog
    users = _longer(known.users.ids, new.catalog.users.ids)
    items = _longer(known.items.ids, new.catalog.items.ids)
    strange = items[len(known.items) :]
    if known.items.codes and len(strange):
        raise UnknownId(
            f"{len(strange)} items of new events have no semantic id: {strange[:3].to_list()}.",
            "Add them first: tesserec update RUN --items FILE",
        )
    if set(known.users.vectors) - set(old.catalog.users.vectors):
        raise CannotAnswer(
            "What this model reads of people was made of all events at once.",
            "Fit it again on old and new events.",
        )
    catalog = Catalog(_items(known.items, items, old.catalog.items, added), Entities(users))
    frame = pl.concat([_raw(old, False), _raw(new, True, old)], how="diagonal")
    frame = numbered(frame, catalog).select(NEW, pl.exclude(NEW))
    parts = [frame.filter(pl.col(NEW) == is_new).drop(NEW) for is_new in (False, True)]
    whole = replace(old, catalog=catalog, folder=None)
    before, after = (
        replace(whole, interactions=Interactions(part, old.interactions.clock)) for part in parts
    )
    return before, after


def together(one: Dataset, other: Dataset) -> Dataset:
    """The events of both, in the canonical order."""
    frame = pl.concat([one.interactions.frame, other.interactions.frame])
    first = [name for name in ("time", "user", "item") if name in frame.columns]
    return replace(one, interactions=replace(one.interactions, frame=frame.sort(*first)))


def _longer(known: pl.Series, met: pl.Series) -> pl.Series:
    """Known ids, then those that are not."""
    try:
        met = met.cast(known.dtype)
    except pl.exceptions.PolarsError:
        raise BadData(
            f"Ids of this model are {known.dtype}, and those of new events {met.dtype}.",
            "Give ids of the same kind.",
        ) from None
    return pl.concat([known, met.filter(~met.is_in(known.implode())).sort()]).alias("id")


def _items(known: Entities, ids: pl.Series, old: Entities, added: Entities | None) -> Entities:
    """All items, with the vectors of those that have any, and the model's semantic ids."""
    vectors, masks = {}, {}
    for name in known.vectors:
        if name not in old.vectors:
            raise CannotAnswer(
                f"The vectors {name!r} were made of all events at once, and are not kept.",
                "Fit again on old and new events.",
            )
        table = torch.zeros(len(ids), old.vectors[name].shape[1], dtype=old.vectors[name].dtype)
        mask = torch.zeros(len(ids), dtype=torch.bool)
        everything = Entities(ids)
        for one in (old, added):
            if one is not None and name in one.vectors:
                rows = everything.rows(one.ids)
                table[rows] = one.vectors[name].to(table.dtype)
                mask[rows] = one.present(name)
        vectors[name], masks[name] = table, mask
    features = known.features
    if features.width and len(ids) > len(known):
        nothing = pl.DataFrame(schema=features.schema).clear(len(ids) - len(known))
        features = pl.concat([features, nothing])
    codes = {name: replace(one, codebook=None) for name, one in known.codes.items()}
    return Entities(ids, features, vectors, masks, codes)


def _raw(data: Dataset, is_new: bool, like: Dataset | None = None) -> pl.DataFrame:
    """Events with ids, and with the columns that matter; `like` says which there have to be."""
    frame, catalog = data.interactions.frame, data.catalog
    wanted = (like or data).interactions.frame.columns
    names = [name for name in ("user", "item", "time", "weight", "kind") if name in wanted]
    missing = [name for name in names if name not in frame.columns]
    if missing or (like and like.interactions.clock != data.interactions.clock):
        raise BadData(
            f"New events have {', '.join(frame.columns)}, with {data.interactions.clock} for a "
            f"clock, and those before {', '.join(names)}"
            + (f", with {like.interactions.clock}." if like else "."),
            "Give them the same columns.",
        )
    columns = [
        catalog.users.ids.gather(frame["user"]).cast(pl.String).alias("user"),
        catalog.items.ids.gather(frame["item"]).cast(pl.String).alias("item"),
        *(frame[name].cast(pl.String) if name == "kind" else frame[name] for name in names[2:]),
    ]
    return pl.DataFrame(columns).with_columns(pl.lit(is_new).alias(NEW))
