"""People: who is known, what they did, what they get and why, and what if they had done else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from tesserec.core.errors import BadRequest, UnknownId
from tesserec.serve.asked import Asked
from tesserec.serve.pages.answers import NEW, Answer, is_known, name, past_of, recommend
from tesserec.serve.pages.look import Face, Look
from tesserec.serve.pages.site import Site
from tesserec.serve.pages.whatif import WhatIf
from tesserec.serve.people import Past

SHOWN = 24  # people, or items, of a search
LATEST = 30  # events of a history that are shown at once
KS = (10, 20, 50)


class Search(Asked):
    find: str = Field("", max_length=200)


@dataclass(frozen=True)
class Happened:
    """One event of a history as it is shown."""

    face: Face
    time: str = ""
    state: str = ""  # "added", "dropped", or as it was


def routes(site: Site) -> APIRouter:
    """The pages of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)
    service = site.service

    @router.get("/people")
    async def people(request: Request) -> Response:
        """Everybody who is known, to be searched."""
        visitor = await site.door.admit(request)
        words, look = site.read(Search, request).find, site.look()
        persons = look.persons
        rows, total = (
            ([], 0) if persons is None else await asyncio.to_thread(persons.find, words, SHOWN)
        )
        there = [] if persons is None else [_person(look, row) for row in rows]
        ids = [str(one["id"]) for one in there]
        gone = await asyncio.to_thread(service.keeper.forgotten, ids)
        shown = [one for one, is_gone in zip(there, gone, strict=True) if not is_gone]
        total -= sum(gone)
        # Whoever came after the data is known by what the server was told, under the very id.
        if words and not any(one["id"] == words for one in shown):
            events = await past_of(service, look, site.word(words))
            if len(events.items):
                shown, total = [{"id": words, "events": len(events.items)}, *shown], total + 1
        contents: dict[str, Any] = {"people": shown, "total": total, "why_not": look.served.why_not}
        return site.page(request, visitor, "people.html.j2", find=words, **contents)

    @router.get("/person")
    async def person(request: Request) -> Response:
        """Somebody: history, answers, and both as they would be after a change."""
        visitor = await site.door.admit(request)
        what = WhatIf.checked(site.read(WhatIf, request), service.limits)
        look = site.look()
        for item in (*what.add, *what.no):
            look.row(item)
        if what.user is not None and look.served.people is None:
            raise BadRequest(
                look.served.why_not, "Start with --data DATA, or ask for somebody new."
            )
        if what.user is not None and not await is_known(service, look, what.user):
            cure = "Search among people, or begin with somebody new."
            raise UnknownId(f"There is no user {what.user!r}.", cure)
        past = await past_of(service, look, what.user)
        answer = await _answer(site, look, what, past, visitor.request_id)
        offers, more = await _offers(look, what)
        contents: dict[str, Any] = {
            "what": what,
            "about": {} if what.user is None else look.about(what.user),
            "history": _history(look, what, past),
            "events": len(past.items),
            "refused": look.faces_of(what.no),
            "answer": answer,
            "new": sum(line.moved == NEW for line in answer.lines),
            "explains": look.explains,
            "method": name(look),
            "offers": offers,
            "more": more,
            "ks": [k for k in KS if k <= service.limits.k],
            "latest": LATEST,
        }
        return site.page(request, visitor, "person.html.j2", **contents)

    return router


def _person(look: Look, row: int) -> dict[str, object]:
    people = look.served.people
    assert people is not None
    assert look.persons is not None
    user = str(look.persons.things.ids[row])
    return {"id": user, "events": int(people.histories.items.lengths[row])}


async def _answer(site: Site, look: Look, what: WhatIf, past: Past, request_id: str) -> Answer:
    """Of somebody as they are; or of a stranger with their history as edited, against unedited."""
    service = site.service
    most = service.limits.history

    async def with_history(items: Sequence[int], no: list[str]) -> Answer:
        ids = [look.ids[row] for row in items[-most:]]
        return await recommend(service, look, request_id, history=ids, exclude=no, k=what.k)

    if what.user is not None and not what.is_edited:
        return await recommend(service, look, request_id, user=what.user, k=what.k)
    edited = what.history(past.items, look.served.items)
    if not what.is_edited:
        return await with_history(edited.tolist(), [])
    both = with_history(edited.tolist(), what.no), with_history(past.items.tolist(), [])
    answer, before = await asyncio.gather(*both)
    return answer.against(before)


def _history(look: Look, what: WhatIf, past: Past) -> list[Happened]:
    """The latest first; what was added stands before."""
    added = [Happened(face, state="added") for face in reversed(look.faces_of(what.add))]
    rows = past.items[::-1]
    count = len(rows) if what.all else LATEST
    times = None if past.time is None or not _has_dates(look) else past.time[::-1]
    dropped = np.isin(rows[:count], [look.served.items.get(one, -1) for one in what.drop])
    return added + [
        Happened(
            look.face(row),
            "" if times is None else _date(int(times[place])),
            "dropped" if dropped[place] else "",
        )
        for place, row in enumerate(rows[:count].tolist())
    ]


async def _offers(look: Look, what: WhatIf) -> tuple[list[Face], int]:
    """Items to be added that were searched for, and how many more there are."""
    if not what.find:
        return [], 0
    rows, total = await asyncio.to_thread(look.things.find, what.find, 8)
    return look.faces(rows), total - len(rows)


def _has_dates(look: Look) -> bool:
    return look.served.people is not None and look.served.people.clock == "seconds"


def _date(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""
