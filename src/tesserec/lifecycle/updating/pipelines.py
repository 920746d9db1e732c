"""New items become part of a pipeline: of those of its parts that can take them in."""

from collections.abc import Callable
from dataclasses import replace

from tesserec.core import Answering, Entities
from tesserec.core.errors import BadData, CannotAnswer
from tesserec.lifecycle.updating.outlines import shape_of
from tesserec.recommenders.pipeline import Pipeline


def grown(pipeline: Pipeline, add: Callable[[Answering], Answering]) -> Pipeline:
    """The same pipeline of parts with more items; `add` adds them to one.

    A part that knows items by events alone stays without them where the others can name them.
    Raises `CannotAnswer` where they could not: nobody would ever be shown the items.
    """
    parts = {}
    for name, part in pipeline.parts.items():
        try:
            parts[name] = add(part)
        except CannotAnswer as error:
            if name not in pipeline.spare:
                cause = f"{name} of a {type(pipeline).__name__}: {error.cause}"
                raise CannotAnswer(cause, error.cure) from None
            parts[name] = part
    if all(parts[name] is part for name, part in pipeline.parts.items()):
        return pipeline
    return pipeline.grown(parts)


def contents_of(model: Answering) -> Entities:
    """The items of a model; of a pipeline, with all the vectors that its parts have of items.

    Raises `BadData` where one name stands for vectors of different widths.
    """
    items = model.catalog.items
    if not isinstance(model, Pipeline):
        return items
    vectors = dict(items.vectors)
    for part in model.parts.values():
        for name, table in contents_of(part).vectors.items():
            ours = vectors.setdefault(name, shape_of(table, len(items)))
            if ours.shape[1:] != table.shape[1:]:
                raise BadData(
                    f"Parts of the {type(model).__name__} read vectors {name!r} of "
                    f"{ours.shape[1]} and of {table.shape[1]} numbers.",
                    "Add the items to the runs it is made of, then compose it again.",
                )
    return replace(items, vectors=vectors)
