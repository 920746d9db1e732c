"""/v1/models: which versions there are, which of them answer whom, and how they do."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from tesserec.evaluation.statistics import wilson
from tesserec.serve.asked import LATEST, Activate, Shadow, Split
from tesserec.serve.beside import DAY
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import check_size, read
from tesserec.serve.rows import Tally
from tesserec.serve.service import Service

EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "active": "best-0123abcd",
    "previous": "best-89ab4567",
    "split": {"best-0123abcd": 0.1, "best-89ab4567": 0.9},
    "shadow": None,
}
LIST = {**EXAMPLE, "versions": ["best-0123abcd", "best-89ab4567"]}
REPORT = {
    "request_id": "9f86d081884c7d65",
    "since": 1_700_000_000.5,
    "window": 3600,
    "versions": [
        {
            "version": "best-0123abcd",
            "shadow": False,
            "answers": 1200,
            "asked": 1100,
            "users": 250,
            "clicked": 110,
            "rate": 0.1,
            "low": 0.0836,
            "high": 0.1191,
        }
    ],
}
TROUBLE = (400, 401, 403, 404, 413, 422, 429, 503)

Window = Annotated[int, Query(ge=1, le=30 * DAY, description="Seconds within which to click.")]
From = Annotated[
    float | None, Query(ge=0, lt=LATEST, description="Seconds since 1970; a week ago, if left out.")
]


def routes(service: Service) -> APIRouter:
    """The routes with this service behind them."""
    router = APIRouter()

    @router.get("/v1/models", responses=giving(LIST, 401, 403, 429))
    async def models(request: Request) -> JSONResponse:
        """The versions in the run folder, as it is now."""
        request_id = service.admit(request, "read")
        versions = await asyncio.to_thread(service.models.versions)
        return JSONResponse({**_state(service, request_id), "versions": list(versions)})

    @router.post(
        "/v1/models/activate",
        openapi_extra=taking(Activate),
        responses=giving(EXAMPLE, *TROUBLE),
    )
    async def activate(request: Request) -> JSONResponse:
        """Answer everybody with another version from now on, which ends a split; to roll back,
        activate the previous one.
        """
        request_id = service.admit(request, "admin")
        body = read(Activate, await request.body(), service.limits)
        if await asyncio.shield(asyncio.to_thread(service.models.activate, body.version)):
            service.swapped(id=request_id)
        return JSONResponse(_state(service, request_id))

    @router.post(
        "/v1/models/split", openapi_extra=taking(Split), responses=giving(EXAMPLE, *TROUBLE)
    )
    async def split(request: Request) -> JSONResponse:
        """Answer each user with one of several versions, by a hash of the user's id, and note what
        is shown. Who is asked for without an id is answered by the active version.
        """
        request_id = service.admit(request, "admin")
        body = read(Split, await request.body(), service.limits)
        check_size("weights", len(body.weights), service.limits.versions)
        return await _directed(service, request_id, lambda: service.models.split(body.weights))

    @router.post(
        "/v1/models/shadow", openapi_extra=taking(Shadow), responses=giving(EXAMPLE, *TROUBLE)
    )
    async def shadow(request: Request) -> JSONResponse:
        """Ask another version whatever is recommended from now on, and note what both say. It is
        asked when nobody waits, and left out when there is too much to ask.
        """
        request_id = service.admit(request, "admin")
        body = read(Shadow, await request.body(), service.limits)
        return await _directed(
            service, request_id, lambda: service.models.shadow_with(body.version)
        )

    @router.get("/v1/models/report", responses=giving(REPORT, 401, 403, 422, 429, 503))
    async def report(request: Request, window: Window = DAY, since: From = None) -> JSONResponse:
        """What each version showed while traffic was split or shadowed, and which share of its
        answers to users was clicked: one of the items was in an event of that user, soon after.
        The interval (95 %, Wilson) takes answers for independent of each other. What a shadow
        would have shown nobody saw: its rate is no click rate, and leans to what was shown.
        """
        request_id = service.admit(request, "read")
        begin = time.time() - 7 * DAY if since is None else since
        found = await asyncio.to_thread(service.keeper.tallies, begin, window)
        told = {"request_id": request_id, "since": begin, "window": window}
        return JSONResponse({**told, "versions": [_told(one) for one in found]})

    return router


async def _directed(service: Service, request_id: str, change: Callable[[], None]) -> JSONResponse:
    """Traffic goes another way; models that are loaded for it are loaded to the end."""
    await asyncio.shield(asyncio.to_thread(change))
    service.directed(id=request_id)
    return JSONResponse(_state(service, request_id))


def _state(service: Service, request_id: str) -> dict[str, Any]:
    models = service.models
    previous = None if models.previous is None else models.previous.version.name
    return {
        "request_id": request_id,
        "active": models.active.version.name,
        "previous": previous,
        "split": dict(models.traffic.weights),
        "shadow": models.traffic.shadow,
    }


def _told(tally: Tally) -> dict[str, Any]:
    """One line of the report; no rate where there is nothing to divide by."""
    rate = tally.clicked / tally.asked if tally.asked else None
    low, high = wilson(tally.clicked, tally.asked) if tally.asked else (None, None)
    return {**vars(tally), "rate": rate, "low": low, "high": high}
