"""POST /v1/recommend: the best items for somebody."""

from fastapi import APIRouter, Request, Response

from tesserec.serve.asked import Recommend
from tesserec.serve.openapi import giving, taking
from tesserec.serve.questions import read, recommended
from tesserec.serve.service import Service, answer

EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "model": "best-0123abcd",
    "user": "u1",
    "items": [
        {
            "id": "i7",
            "title": "Tea mug",
            "score": 4.2,
            "reasons": [{"id": "i9", "title": "Tea pot", "share": 0.7}],
        }
    ],
}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    @router.post(
        "/v1/recommend",
        openapi_extra=taking(Recommend),
        responses=giving(EXAMPLE, 400, 401, 403, 404, 413, 422, 429, 503),
    )
    async def recommend(request: Request) -> Response:
        """The k best items for a known user, for a history, or in a context; best first."""
        request_id = service.admit(request, "read")
        sent = await request.body()
        body = read(Recommend, sent, service.limits)
        asked = recommended(body, service.models.of(body.user), service.limits, request_id)
        found = await service.questions.ask(asked)
        service.beside.answered(request_id, body.user, sent, found)
        return answer(found)

    return router
