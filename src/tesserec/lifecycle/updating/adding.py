"""New items become part of a model that was fitted without them.

What is there stays as it is: ids keep their rows, semantic ids are not touched, weights are not
trained. New items come last, are placed by their content, and count as chosen by nobody.
"""

from dataclasses import replace
from typing import Any, cast

import polars as pl
import torch
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Codes, Entities, Method
from tesserec.core.errors import BadData, BadRequest, CannotAnswer, NoContent
from tesserec.lifecycle.updating.outlines import outlined, shape_of
from tesserec.lifecycle.updating.pipelines import grown
from tesserec.recommenders.answerer import Answerer
from tesserec.recommenders.artifact import empty_network
from tesserec.recommenders.pipeline.stage import Pipeline
from tesserec.recommenders.product import ProductRecommender


@torch.no_grad()
def add(recommender: Answering, items: Entities) -> Answering:
    """A recommender that also answers with these items; the old one is left as it is.

    Items it knows already are passed over; a pipeline adds them to its parts. Raises
    `CannotAnswer` where a method knows items by events alone, `NoContent` where it misses
    vectors, `BadData` for ids and vectors that do not fit. It answers from the CPU, like one that
    was loaded.
    """
    if isinstance(recommender, Pipeline):
        return grown(recommender, lambda part: add(part, items))
    method, known = recommender.method, recommender.catalog.items
    if method is None:
        raise BadRequest(
            "This recommender does not know its method.",
            "Add to what `fit` returned.",
        )
    new = fresh(known, items)
    if not len(new):
        return recommender
    weights = _on_cpu(recommender.network.state_dict())
    there = outlined(recommender.catalog)
    network = _loaded(method, there, weights)
    if not hasattr(network, "place"):
        raise CannotAnswer(
            f"{type(method).__name__} knows items by events alone, and of new ones there are none.",
            "Take a method that reads content, or fit again once they have some.",
        )
    new = method.prepare_new(network, known, new)
    catalog = replace(there, items=joined(there.items, new))
    network = _loaded(method, catalog, _lengthened(weights, method, catalog, len(known)))
    for module in network.modules():
        # Looked for in the class: what wraps a network has all that the inner one has.
        if hasattr(type(module), "take_in"):
            cast(Any, module).take_in(new)
    made = cast(Answerer, method.answer(network, catalog).by(method))
    longer = made.taking(_on_cpu(recommender.tables()), new)
    if isinstance(longer, ProductRecommender) and isinstance(recommender, ProductRecommender):
        longer = longer.indexed_like(recommender)
    return cast(Answering, longer)


def fresh(known: Entities, items: Entities) -> Entities:
    """The items that are not known yet, with ids, columns and vectors as those that are.

    Raises `BadData` where they cannot be brought to that.
    """
    try:
        ids = items.ids.cast(known.ids.dtype)
    except pl.exceptions.PolarsError:
        raise BadData(
            f"Ids of this model are {known.ids.dtype}, and {items.ids[:1].to_list()} is none.",
            "Give new items ids of the same kind.",
        ) from None
    if ids.null_count() or ids.is_duplicated().any():
        raise BadData("New items have an id twice, or none.", "Give each one row and an id.")
    which = known.rows(ids) < 0
    mask = pl.Series(which.numpy())
    features = pl.DataFrame()
    if known.features.width:
        features = _like(known.features, items.features, len(ids)).filter(mask)
    vectors = {name: one[which] for name, one in items.vectors.items() if name in known.vectors}
    masks = {name: one[which] for name, one in items.masks.items() if name in vectors}
    found = Entities(ids.filter(mask), features, _Contents(vectors), masks)
    for name, table in vectors.items():
        _check_width(name, table, known.vectors[name].shape[1])
        found.check_vectors(name, place=f"Vectors {name!r} of new items")
    return found


def joined(known: Entities, new: Entities) -> Entities:
    """Old items, then new ones; of vectors only shapes, as in any saved model.

    Semantic ids that new items have none of are left out: no network here reads them.
    """
    features = known.features
    if features.width:
        features = pl.concat([features, new.features])
    vectors = {name: shape_of(one, len(known) + len(new)) for name, one in known.vectors.items()}
    codes = {
        name: Codes(torch.cat([one.table, new.codes[name].table]), one.sizes)
        for name, one in known.codes.items()
        if name in new.codes
    }
    return Entities(pl.concat([known.ids, new.ids]), features, vectors, codes=codes)


class _Contents(dict[str, Tensor]):
    """Vectors by name; one that is missed is asked for in words."""

    def __missing__(self, name: str) -> Tensor:
        there = ", ".join(sorted(self)) or "none"
        raise NoContent(
            f"The model reads item vectors {name!r}, and of the new items there are {there}.",
            "Give new items vectors of that name, encoded as the old ones were.",
        )


def _check_width(name: str, table: Tensor, width: int) -> None:
    if table.ndim != 2 or table.shape[1] != width:
        raise BadData(
            f"Vectors {name!r} of new items have the shape {list(table.shape)}, and the model "
            f"learned from some that are {width} wide.",
            "Encode new items as the old ones were.",
        )


def _like(known: pl.DataFrame, new: pl.DataFrame, count: int) -> pl.DataFrame:
    """The columns that are known, of new items; nothing where they have no such column.

    Raises `BadData` for values of another kind.
    """
    columns = []
    for name, dtype in known.schema.items():
        if name not in new.columns:
            columns.append(pl.Series(name, [None] * count, dtype=dtype))
            continue
        try:
            columns.append(new[name].cast(dtype))
        except pl.exceptions.PolarsError:
            raise BadData(
                f"Column {name!r} of new items is {new.schema[name]}, and was {dtype}.",
                "Write it as it was, or leave it out.",
            ) from None
    return pl.DataFrame(columns)


def _loaded(method: Method, catalog: Catalog, weights: dict[str, Tensor]) -> nn.Module:
    network = empty_network(method, catalog, weights)
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _lengthened(
    weights: dict[str, Tensor], method: Method, catalog: Catalog, before: int
) -> dict[str, Tensor]:
    """The weights, with zeros for new items wherever the network has something for each item.

    What is not 0 of a new item is told by the modules' `take_in`.
    """
    longer = {}
    for name, wanted in empty_network(method, catalog, weights).state_dict().items():
        one, shape = weights[name], tuple(wanted.shape)
        places = [d for d, size in enumerate(shape) if size != one.shape[d]]
        if places:
            (place,) = places
            assert one.shape[place] == before, f"{name} grows with items, and has none for each"
            rest = list(shape)
            rest[place] -= before
            one = torch.cat([one, one.new_zeros(rest)], place)
        longer[name] = one
    return longer


def _on_cpu(tensors: Any) -> dict[str, Tensor]:
    return {name: one.detach().cpu() for name, one in tensors.items()}
