"""Data: what a model learned from."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from tesserec.experiment.page import data_facts
from tesserec.serve.pages.folders import holding
from tesserec.serve.pages.site import Site


def routes(site: Site) -> APIRouter:
    """The page of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)

    @router.get("/data")
    async def data(request: Request) -> Response:
        """Counts, warnings and curves, as the run noted them."""
        visitor = await site.door.admit(request)
        found = await asyncio.to_thread(_noted, site)
        return site.page(request, visitor, "data.html.j2", data=found)

    return router


def _noted(site: Site) -> dict[str, Any] | None:
    models = site.service.models
    folder = holding(models, models.active.version, "data.json")
    return None if folder is None else data_facts(folder)
