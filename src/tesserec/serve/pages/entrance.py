"""Entrance: the first page, signing in and out, the files that pages load, pictures of items."""

import asyncio

from fastapi import APIRouter, Request, Response

from tesserec.core.errors import UnknownId
from tesserec.serve.pages.door import FORM, SESSION, form_of, local, remember
from tesserec.serve.pages.rendering import HEADERS
from tesserec.serve.pages.site import Named, Site, to
from tesserec.serve.problems import Problem

YEAR = 365 * 24 * 3600
HOUR = 3600


def routes(site: Site) -> APIRouter:
    """The routes of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)

    @router.get("/")
    async def first(request: Request) -> Response:
        """People come first."""
        return to(request, "/people")

    @router.get("/sign-in")
    async def ask(request: Request) -> Response:
        """Ask for a key."""
        then = local(request.query_params.get("then", "/"))
        if not site.service.keys:
            return to(request, then)
        visitor = site.door.stranger(request)
        return site.page(request, visitor, "signin.html.j2", then=then, trouble=None)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        """Open a session for a key that is known."""
        visitor = site.door.stranger(request)
        form = await form_of(request, visitor)
        then = local(form.get("then", "/"))
        try:
            token = await site.door.sign_in(form.get("key", "").strip())
        except Problem as trouble:
            told = {"then": then, "trouble": trouble}
            return site.page(request, visitor, "signin.html.j2", trouble.status, **told)
        response = to(request, then)
        remember(response, request, SESSION, token)
        response.delete_cookie(FORM)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        """End the session."""
        visitor = await site.door.admit(request)
        await form_of(request, visitor)
        if visitor.signed_in:
            await site.door.sign_out(visitor)
        response = to(request, "/sign-in")
        response.delete_cookie(SESSION)
        return response

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        """One of a few files; all are in memory, and no path is made of what was asked."""
        if name not in site.static.files:
            raise Problem(404, "There is no such file.")
        content, kind = site.static.files[name]
        headers = {**HEADERS, "Cache-Control": f"public, max-age={YEAR}, immutable"}
        return Response(content, headers=headers, media_type=f"{kind}; charset=utf-8")

    @router.get("/picture")
    async def picture(request: Request) -> Response:
        """A small picture of an item."""
        await site.door.admit(request)
        item = site.read(Named, request).id
        found = await asyncio.to_thread(site.look().picture, item)
        if found is None:
            raise UnknownId(f"There is no picture of {item!r}.")
        headers = {**HEADERS, "Cache-Control": f"private, max-age={HOUR}"}
        return Response(found, headers=headers, media_type="image/webp")

    return router
