"""GET /v1/monitor: is the model still right for what happens now?"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tesserec.serve.openapi import giving
from tesserec.serve.service import Service

DAY = {"day": 0, "tries": 400, "value": 0.1, "low": 0.074, "high": 0.133}
EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "version": "best-0123abcd",
    "verdict": "watch",
    "moment": "2026-01-31T12:00:00+00:00",
    "since": "2026-01-03T12:00:00+00:00",
    "events": 12000,
    "answers": 40000,
    "signals": [
        {
            "name": "new_items",
            "title": "Events on new items",
            "unit": "share",
            "value": 0.0712,
            "verdict": "watch",
            "says": "7.1 % of the events are on items the model does not know.",
            "do": "Take the items in: tesserec update RUN --items FILE.",
            "low": 0.0667,
            "high": 0.0759,
            "training": None,
            "counted": 12000,
        }
    ],
    "clicks": [DAY],
    "foreseen": [DAY],
}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    @router.get("/v1/monitor", responses=giving(EXAMPLE, 401, 403, 429, 503))
    async def monitor(request: Request) -> JSONResponse:
        """How the version that answers does: its age, what happens now beside what it learned from,
        and what comes of its answers. Each signal says in words what it means, whether it is fine,
        to be watched, or to be acted on, and what to do. It is looked at now and then, and not for
        each request: `moment` says when.
        """
        request_id = service.admit(request, "read")
        report = await asyncio.to_thread(service.monitoring.report)
        return JSONResponse({"request_id": request_id, **report.to_dict()})

    return router
