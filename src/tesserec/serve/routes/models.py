"""/v1/models: which versions there are, and which one answers."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tesserec.serve.asked import Activate
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import read
from tesserec.serve.service import Service

EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "active": "best-0123abcd",
    "previous": "best-89ab4567",
}
LIST = {**EXAMPLE, "versions": ["best-0123abcd", "best-89ab4567"]}


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
        responses=giving(EXAMPLE, 400, 401, 403, 404, 413, 422, 429),
    )
    async def activate(request: Request) -> JSONResponse:
        """Answer with another version from now on; to roll back, activate the previous one."""
        request_id = service.admit(request, "admin")
        body = read(Activate, await request.body(), service.limits)
        if await asyncio.shield(asyncio.to_thread(service.models.activate, body.version)):
            service.swapped(id=request_id)
        return JSONResponse(_state(service, request_id))

    return router


def _state(service: Service, request_id: str) -> dict[str, str | None]:
    models = service.models
    previous = None if models.previous is None else models.previous.version.name
    return {
        "request_id": request_id,
        "active": models.active.version.name,
        "previous": previous,
    }
