"""The application: routes, what goes around them, and what goes on beside them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from tesserec.core.errors import TesserecError
from tesserec.serve import problems
from tesserec.serve.guard import Guard
from tesserec.serve.openapi import describe
from tesserec.serve.pages.routes import routes as pages
from tesserec.serve.pages.site import Site
from tesserec.serve.routes import (
    events,
    explain,
    health,
    items,
    models,
    monitor,
    recommend,
    similar,
    users,
)
from tesserec.serve.service import Service

TURN = 0.0005  # seconds
LOOK = 1.0  # seconds between looks at what other processes have activated, and added


def application(service: Service) -> FastAPI:
    """Everything that is served, with this service behind it."""
    site = Site(service)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        # The loop and the model's thread take turns: the default lets one wait for 5 ms.
        sys.setswitchinterval(TURN)
        service.log.say("ready", model=service.models.active.version.name)
        beside = [asyncio.create_task(job(service)) for job in (_follow, _watch)]
        yield
        service.stopping = True
        for job in beside:
            job.cancel()
            with suppress(asyncio.CancelledError):
                await job
        await asyncio.to_thread(site.close)
        await asyncio.to_thread(service.close)
        service.log.flush()
        service.log.say("stopped")

    # Pages of FastAPI that show the description would load scripts from elsewhere.
    app = FastAPI(title="tesserec", lifespan=life, docs_url=None, redoc_url=None)
    for one in (recommend, similar, explain, events, items, users, models, monitor, health):
        app.include_router(one.routes(service))
    app.include_router(pages(site))
    app.add_middleware(Guard, service=service)
    problems.install(app)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, service.limits, service.keys)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


async def _follow(service: Service) -> None:
    """Answer as other processes have said: with versions activated in the same store, and with
    items added in the same folders.
    """
    refused = ""
    while True:
        await asyncio.sleep(LOOK)
        try:
            if await asyncio.to_thread(service.models.follow):
                service.swapped()
            if await asyncio.to_thread(service.models.follow_traffic):
                service.directed()
            if await asyncio.to_thread(service.models.follow_items):
                service.grown()
            refused = ""
        except (TesserecError, OSError) as error:
            if str(error) != refused:  # said once, and not every second
                service.log.trouble(error)
            refused = str(error)
        except Exception as error:
            service.log.trouble(error)


async def _watch(service: Service) -> None:
    """Look at how the model does now and then, so that /metrics can tell without being asked."""
    while True:
        await asyncio.sleep(service.limits.monitor_seconds)
        try:
            await asyncio.to_thread(service.monitoring.report)
        except Exception as error:
            service.log.trouble(error)
