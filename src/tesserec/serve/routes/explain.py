"""POST /v1/explain: which items of a history speak for an answer."""

from fastapi import APIRouter, Request, Response

from tesserec.serve.asked import Explain
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import read, why
from tesserec.serve.service import Service, answer

EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "model": "best-0123abcd",
    "user": "u1",
    "item": "i7",
    "reasons": [{"id": "i9", "title": "Tea pot", "share": 0.7}],
}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    @router.post(
        "/v1/explain",
        openapi_extra=taking(Explain),
        responses=giving(EXAMPLE, 400, 401, 403, 404, 413, 422, 429, 503),
    )
    async def explain(request: Request) -> Response:
        """The k items of somebody's history that speak most for an item, with their shares."""
        request_id = service.admit(request, "read")
        body = read(Explain, await request.body(), service.limits)
        asked = why(body, service.models.of(body.user), service.limits, request_id)
        return answer(await service.questions.ask(asked))

    return router
