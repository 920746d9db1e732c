"""POST /v1/similar: the items nearest to one."""

from fastapi import APIRouter, Request, Response

from tesserec.serve.asked import Similar
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import near, read
from tesserec.serve.service import Service, answer

EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "model": "best-0123abcd",
    "item": "i7",
    "items": [{"id": "i9", "title": "Tea pot", "score": 0.9}],
}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    @router.post(
        "/v1/similar",
        openapi_extra=taking(Similar),
        responses=giving(EXAMPLE, 400, 401, 403, 404, 413, 422, 429, 503),
    )
    async def similar(request: Request) -> Response:
        """The k items that the model finds most like one, itself left out."""
        request_id = service.admit(request, "read")
        body = read(Similar, await request.body(), service.limits)
        asked = near(body, service.models.active, service.limits, request_id)
        return answer(await service.questions.ask(asked))

    return router
