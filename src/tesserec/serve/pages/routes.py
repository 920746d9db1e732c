"""All pages."""

from fastapi import APIRouter

from tesserec.serve.pages import activity, data, entrance, ids, items, models, monitor, people
from tesserec.serve.pages.site import Site


def routes(site: Site) -> APIRouter:
    """The pages of one site."""
    router = APIRouter()
    for one in (entrance, people, items, ids, models, data, monitor, activity):
        router.include_router(one.routes(site))
    return router
