"""Items: what is known of each, what is like it, who gets it, and its semantic ids."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from fastapi import APIRouter, Request, Response

from tesserec.serve.pages import codes
from tesserec.serve.pages.alike import Alike
from tesserec.serve.pages.answers import Answer, Line, similar
from tesserec.serve.pages.audience import Audiences
from tesserec.serve.pages.look import Face, Look
from tesserec.serve.pages.people import Search
from tesserec.serve.pages.site import Named, Site

SHOWN = 24  # items of a search
NEAR = 8  # neighbours by each table
SIBLINGS = 8


@dataclass(frozen=True)
class Near:
    """Neighbours under the name of what found them."""

    name: str
    about: str
    answer: Answer


def routes(site: Site) -> APIRouter:
    """The pages of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)
    audiences = Audiences(site.service)

    @router.get("/items")
    async def items(request: Request) -> Response:
        """The catalogues of all versions in memory, to be searched."""
        visitor = await site.door.admit(request)
        words = site.read(Search, request).find
        shown, total = await asyncio.to_thread(_found, site, words)
        contents: dict[str, Any] = {"items": shown, "total": total, "find": words}
        return site.page(request, visitor, "items.html.j2", **contents)

    @router.get("/item")
    async def item(request: Request) -> Response:
        """One item, and what is like it."""
        visitor = await site.door.admit(request)
        name = site.read(Named, request).id
        look = site.look_at(name)
        row = look.row(name)
        near = await _near(site, look, name, visitor.request_id)
        found = await asyncio.to_thread(_families, look, name)
        contents: dict[str, Any] = {
            "face": look.face(row),
            "columns": look.columns(row),
            "events": int(look.events[row]),
            "near": near,
            "families": found,
            "knowing": _knowing(site, name),
            "knows_people": look.served.people is not None,
        }
        return site.page(request, visitor, "item.html.j2", **contents)

    @router.get("/item/people")
    async def audience(request: Request) -> Response:
        """Who of some people gets an item."""
        visitor = await site.door.admit(request)
        name = site.read(Named, request).id
        look = site.look_at(name)
        face = look.face(look.row(name))
        found = await audiences.of(look, visitor.request_id)
        contents: dict[str, Any] = {"face": face, "audience": found, "users": found.of(name)}
        return site.page(request, visitor, "audience.html.j2", **contents)

    return router


def _found(site: Site, words: str) -> tuple[list[tuple[Face, int]], int]:
    """Items that hold words, with how often they were chosen, and how many there are.

    Those of the version that answers come first, then what only others know.
    """
    shown: list[tuple[Face, int]] = []
    total, known = 0, None
    for served in site.service.models.loaded:
        look = site.look(served)
        things, rows_of = look.things, None
        if known is not None:
            rows_of = (~look.items.ids.cast(pl.String).is_in(known.implode())).arg_true()
            things = things.only(rows_of)
        rows, count = things.find(words, SHOWN - len(shown))
        rows = rows if rows_of is None else rows_of.gather(rows).to_list()
        shown += [(look.face(row), int(look.events[row])) for row in rows]
        total += count
        ids = look.items.ids.cast(pl.String)
        known = ids if known is None else pl.concat([known, ids])
    return shown, total


def _knowing(site: Site, item: str) -> list[str]:
    """The versions in memory that know an item, where there are others."""
    loaded = site.service.models.loaded
    names = [served.version.name for served in loaded if item in served.items]
    return names if len(loaded) > 1 else []


async def _near(site: Site, look: Look, name: str, request_id: str) -> list[Near]:
    """By the model, and by each table of vectors; all asked at once."""
    tables = await asyncio.to_thread(_with_vectors, look, name)
    row, k = look.content_row(name), min(NEAR, site.service.limits.k)
    asked = [site.alike.ask(Alike(look, table, row, k)) for table in tables]
    by_model, by_vectors = await asyncio.gather(
        similar(site.service, look, request_id, name, k), asyncio.gather(*asked)
    )
    about = f"What {look.served.version.name} answers to “similar”."
    found = [Near("the model", about, by_model)]
    for table, pairs in zip(tables, by_vectors, strict=True):
        faces = look.faces_of([one for one, _ in pairs])
        lines = [Line(face, value) for face, (_, value) in zip(faces, pairs, strict=True)]
        about = "By the cosine of the vectors; no model took part."
        found.append(Near(table, about, Answer(lines)))
    return found


def _with_vectors(look: Look, name: str) -> list[str]:
    """The tables that hold something of an item."""
    row = look.content_row(name)
    return [one for one in look.tables if row >= 0 and bool(look.present(one)[row])]


@dataclass(frozen=True)
class Family:
    """An item's semantic id, and the items that share most of it."""

    name: str
    tokens: Sequence[int]
    shared: int  # tokens that the siblings have in common
    siblings: Sequence[tuple[Face, str]]
    count: int  # of siblings in all


def _families(look: Look, item: str) -> list[Family]:
    """One for each set of semantic ids that has the item."""
    found = []
    for name, (things, ids) in look.codes.items():
        row = int(things.rows([item])[0])
        if row < 0:
            continue
        table = ids.table.numpy()
        shared, rows = codes.siblings(table, row)
        names = [str(one) for one in things.ids.gather(rows[:SIBLINGS]).to_list()]
        tokens = [codes.written(table[one]) for one in rows[:SIBLINGS]]
        faces = zip(look.faces_of(names), tokens, strict=True)
        found.append(Family(name, table[row].tolist(), shared, list(faces), len(rows)))
    return found
