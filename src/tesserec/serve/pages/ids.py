"""Ids: the tree of semantic ids, to be walked level by level."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from tesserec.core import Codes, Entities
from tesserec.core.errors import UnknownId
from tesserec.experiment import svg
from tesserec.serve.asked import Asked, Id
from tesserec.serve.pages import codes
from tesserec.serve.pages.look import Look
from tesserec.serve.pages.site import Site
from tesserec.serve.problems import Problem

EXAMPLES = 3  # items of each branch
LISTED = 60  # items of a node that are shown one by one


class Place(Asked):
    """A node of the tree."""

    name: Id | None = None
    prefix: str = Field("", pattern=r"^(\d{1,9}(\.\d{1,9}){0,31})?$")


def routes(site: Site) -> APIRouter:
    """The pages of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)

    @router.get("/ids")
    async def ids(request: Request) -> Response:
        """What continues a prefix."""
        visitor = await site.door.admit(request)
        place, look = site.read(Place, request), site.look()
        there = look.codes
        if not there:
            return site.page(request, visitor, "noids.html.j2")
        name = place.name or next(iter(there))
        if name not in there:
            raise UnknownId(f"There are no ids {name!r}.", f"There are {', '.join(there)}.")
        prefix = codes.read(place.prefix)
        shown = await asyncio.to_thread(_shown, look, *there[name], prefix)
        told: dict[str, Any] = {"names": list(there), "name": name, "prefix": prefix, **shown}
        return site.page(request, visitor, "ids_walk.html.j2", **told)

    return router


def _shown(look: Look, things: Entities, ids: Codes, prefix: list[int]) -> dict[str, Any]:
    """The branches of a node, or the items of a small one. Raises `Problem` where there is none."""
    table = ids.table.numpy()
    rows = codes.below(table, prefix) if len(prefix) <= ids.levels else np.zeros(0, np.int64)
    if not len(rows):
        raise Problem(404, "No id begins like this.", "Go up to where there are some.")
    worth = _worth(look, things)
    whole = len(prefix) == ids.levels
    found = [] if whole else codes.children(table, prefix, worth, EXAMPLES)
    best = rows[np.argsort(-worth[rows], kind="stable")][:LISTED]
    return {
        "levels": ids.levels,
        "size": None if whole else ids.sizes[len(prefix)],
        "count": len(rows),
        "strip": "" if len(found) < 2 else _strip(found, len(rows)),
        "children": [
            {
                "token": one.token,
                "prefix": codes.written([*prefix, one.token]),
                "count": one.count,
                "share": one.count / len(rows),
                "examples": look.faces_of(_names(things, one.examples)),
            }
            for one in found
        ],
        "items": list(
            zip(
                look.faces_of(_names(things, best.tolist())),
                [codes.written(table[row]) for row in best],
                strict=True,
            )
        )
        if whole or len(rows) <= LISTED
        else [],
    }


def _worth(look: Look, things: Entities) -> codes.Rows:
    """How often each was chosen: [n]"""
    if things is look.items:
        return look.events
    rows = look.items.rows(things.ids).numpy()
    return np.where(rows >= 0, look.events[rows.clip(min=0)], 0)


def _names(things: Entities, rows: Sequence[int]) -> list[str]:
    return [str(one) for one in things.ids.gather(list(rows)).to_list()]


def _strip(found: Sequence[codes.Child], count: int) -> str:
    """The branches side by side, each as wide as its items are many."""
    parts, start = [], 0.0
    for place, one in enumerate(found):
        title = f"{one.token}: {one.count:,} items"
        parts.append(svg.Part(start, one.count / count, place, title))
        start += one.count / count
    return svg.icicle([parts], "shares of the branches").replace(
        "<svg ", '<svg preserveAspectRatio="none" ', 1
    )
