"""POST /v1/events: what people do, kept for good before it is acknowledged."""

import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tesserec.serve.asked import Events
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import check_size, read
from tesserec.serve.rows import Event
from tesserec.serve.service import Posted, Service

EXAMPLE = {"request_id": "9f86d081884c7d65", "kept": 1}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    @router.post(
        "/v1/events",
        openapi_extra=taking(Events),
        responses=giving(EXAMPLE, 400, 401, 403, 413, 422, 429, 503),
    )
    async def events(request: Request) -> JSONResponse:
        """Keep events; the next answer to each user knows them. Send again what was not answered:
        an event whose id is known is not kept twice.
        """
        request_id = service.admit(request, "write")
        body = read(Events, await request.body(), service.limits)
        check_size("events", len(body.events), service.limits.events)
        now = int(time.time())
        given = [
            Event(
                one.id,
                one.user,
                one.item,
                now if one.time is None else one.time,
                one.kind,
                one.weight,
            )
            for one in body.events
        ]
        kept = await service.writing.ask(Posted(given))
        return JSONResponse({"request_id": request_id, "kept": kept})

    return router
