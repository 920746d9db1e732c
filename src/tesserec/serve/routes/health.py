"""/health/live, /health/ready and /metrics: for those who watch over the server."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from tesserec.serve.openapi import giving
from tesserec.serve.problems import busy
from tesserec.serve.service import Service


def routes(service: Service) -> APIRouter:
    """The routes with this service behind them."""
    router = APIRouter()

    @router.get("/health/live", responses=giving({"status": "alive"}))
    async def live() -> JSONResponse:
        """Whether the process answers at all."""
        return JSONResponse({"status": "alive"})

    @router.get(
        "/health/ready", responses=giving({"status": "ready", "model": "best-0123abcd"}, 503)
    )
    async def ready() -> JSONResponse:
        """Whether requests should be sent here now."""
        if service.stopping:
            raise busy("The server is being stopped.", 1)
        if service.questions.full:
            raise busy("As many requests as may wait are waiting.", 1)
        return JSONResponse({"status": "ready", "model": service.models.active.version.name})

    @router.get(
        "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
    )
    async def metrics(request: Request) -> Response:
        """Figures as Prometheus reads them."""
        service.admit(request, "read")
        return Response(service.figures(), media_type="text/plain; version=0.0.4")

    return router
