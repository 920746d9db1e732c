"""POST /v1/items: new items with what they are made of, recommended from the next answer on."""

import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tesserec.serve.asked import Items
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import check_size, read
from tesserec.serve.service import Arrived, Service

EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "model": "best-0123abcd+1",
    "added": ["i90"],
    "known": ["i7"],
    "versions": ["best-0123abcd+1"],
    "left": [{"version": "old-89ab4567", "why": "EASE knows items by events alone."}],
    "seconds": 0.8,
}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    @router.post(
        "/v1/items",
        openapi_extra=taking(Items),
        responses=giving(EXAMPLE, 400, 401, 403, 409, 413, 422, 429, 503, 507),
    )
    async def items(request: Request) -> JSONResponse:
        """Take new items in for good, without training: texts and media are encoded by what the run
        keeps of its encoders, other contents come as vectors. All versions that answer get them, or
        none does. An item whose id is known stays
        as it was, so send again what was not answered. Nothing is read from a path or an address.
        """
        request_id, began = service.admit(request, "write"), time.perf_counter()
        body = read(Items, await request.body(), service.limits)
        check_size("items", len(body.items), service.limits.items)
        taken = await service.growing.ask(Arrived(request_id, body.items))
        told = {
            **vars(taken),
            "left": [vars(one) for one in taken.left],
            "seconds": round(time.perf_counter() - began, 3),
        }
        return JSONResponse({"request_id": request_id, **told})

    return router
