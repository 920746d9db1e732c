"""Site: what all pages share: the door, the way a page is written, the way trouble is told."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from tesserec.serve.asked import Asked, Id
from tesserec.serve.batching import Batcher
from tesserec.serve.pages.alike import Alike, alike
from tesserec.serve.pages.door import FORM, Door, SignIn, Visitor, remember
from tesserec.serve.pages.look import Look
from tesserec.serve.pages.rendering import HEADERS, Static, html, link
from tesserec.serve.problems import TITLES, Problem, busy, problem_of
from tesserec.serve.served import Served
from tesserec.serve.service import Service

Body = TypeVar("Body", bound=Asked)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
SHARE = 0.9  # of the time a request may take, so that a page can still say that it is over

PARTS = (
    ("People", "/people"),
    ("Items", "/items"),
    ("Ids", "/ids"),
    ("Models", "/models"),
    ("Data", "/data"),
    ("Monitor", "/monitor"),
    ("Activity", "/activity"),
)


class Named(Asked):
    id: Id


class Site:
    """The pages of one service."""

    def __init__(self, service: Service) -> None:
        self.service, self.door, self.static = service, Door(service), Static()
        self._looks: dict[Served, Look] = {}
        limits = service.limits
        self.alike: Batcher[Alike, list[tuple[str, float]]] = Batcher(
            alike, limits.batch, limits.waiting, "vectors"
        )

    def look(self, served: Served | None = None) -> Look:
        """What pages show of a version; of the one that answers, where nobody names another."""
        served = served or self.service.models.active
        if served not in self._looks:
            there = self.service.models.loaded  # what is no longer there is let go
            kept = {one: look for one, look in self._looks.items() if one in there}
            self._looks = {**kept, served: Look(served)}
        return self._looks[served]

    def look_at(self, item: str) -> Look:
        """What pages show of the first version in memory that knows an item."""
        for served in self.service.models.loaded:
            if item in served.items:
                return self.look(served)
        return self.look()

    def read(self, kind: type[Body], request: Request) -> Body:
        """The query of an address as what it should be. Raises `ValidationError`."""
        given: dict[str, Any] = {}
        for name, field in kind.model_fields.items():
            values = [one for one in request.query_params.getlist(name) if one]
            if values:
                given[name] = values if isinstance(field.default, list) else values[-1]
        return kind.model_validate(given, context={"name": self.service.limits.name})

    def word(self, text: str) -> str:
        """Text that may be an id. Raises `ValidationError`."""
        context = {"name": self.service.limits.name}
        return str(Named.model_validate({"id": text}, context=context).id)

    def page(
        self, request: Request, visitor: Visitor, name: str, status: int = 200, /, **contents: Any
    ) -> Response:
        """A page for somebody who was let in."""
        shared = {
            "parts": PARTS,
            "here": request.url.path,
            "asset": self.static.addresses,
            "visitor": visitor,
            "model": self.service.models.active.version.name,
        }
        response = html(name, {**shared, **contents}, status)
        if visitor.is_new:
            remember(response, request, FORM, visitor.token)
        return response

    def trouble(self, request: Request, problem: Problem) -> Response:
        """What is wrong, and what to do about it."""
        title = TITLES.get(problem.status, "This did not work")
        title = "This cannot be read" if problem.status == 400 else title
        told = {"title": title, "problem": problem}
        response = self.page(
            request, self.door.stranger(request), "trouble.html.j2", problem.status, **told
        )
        response.headers.update(problem.headers)
        # Where a part of a page was asked for, the trouble takes the place of the whole.
        response.headers.update({"HX-Retarget": "#main", "HX-Reselect": "#main"})
        return response

    @cached_property
    def route(self) -> type[APIRoute]:
        """Routes whose errors are pages, too."""
        site = self

        class Page(APIRoute):
            def get_route_handler(self) -> Handler:
                return _told(site, super().get_route_handler())

        return Page

    def close(self) -> None:
        """Finish what was begun."""
        self.alike.close()


def _told(site: Site, inner: Handler) -> Handler:
    async def handler(request: Request) -> Response:
        try:
            async with asyncio.timeout(SHARE * site.service.limits.seconds):
                return await inner(request)
        except SignIn as ask:
            return to(request, link("/sign-in", then=ask.then))
        except TimeoutError:
            return site.trouble(request, busy("It took too long.", 1))
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                site.service.log.trouble(error, id=request.scope["request_id"])
            return site.trouble(request, problem)

    return handler


def to(request: Request, address: str) -> Response:
    """Go there next."""
    if "hx-request" in request.headers:  # a part of a page would be replaced by what is there
        return Response(headers={**HEADERS, "HX-Redirect": address})
    return RedirectResponse(address, 303, headers=HEADERS)
