"""DELETE /v1/users/{user}: somebody is forgotten at once, with a receipt."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tesserec.lifecycle.forgetting.receipt import digest_of
from tesserec.serve.asked import Person
from tesserec.serve.openapi import giving
from tesserec.serve.service import Service

OFFLINE = "tesserec forget RUN --user ID, and POST /v1/models/activate with the new version"
EXAMPLE = {
    "request_id": "9f86d081884c7d65",
    "what": "user",
    "digest": "5f1f2b5ec1f1f7c6c8a5b9d55f0f8b0a3b2ed1b8f7f1bb2bd1a7f4d0a9a3c1de",
    "moment": "2026-01-31T12:00:00+00:00",
    "removed": {"events": 12, "sessions": 1, "exposures": 40},
    "checks": [{"what": "the store holds no event of this user", "holds": True}],
    "left": [{"what": "version best-0123abcd: rows in its data", "how": OFFLINE}],
}


def routes(service: Service) -> APIRouter:
    """The route with this service behind it."""
    router = APIRouter()

    # Ids of users may hold slashes; nothing is looked up in a folder by them.
    @router.delete(
        "/v1/users/{user:path}", responses=giving(EXAMPLE, 401, 403, 404, 422, 429, 503, 507)
    )
    async def forget(request: Request, user: str) -> JSONResponse:
        """Forget somebody: events, sessions and what was shown are removed, the next answer is a
        stranger's, and what the model's data still hold of them is not read any more. The receipt
        says what is left to do. It takes an admin key, as nothing brings back what is gone; to ask
        again, or for somebody unknown, does no harm.
        """
        request_id = service.admit(request, "admin")
        who = Person.model_validate({"user": user}, context={"name": service.limits.name}).user
        receipt = await asyncio.shield(asyncio.to_thread(_forgotten, service, who))
        service.log.say("forgotten", id=request_id, removed=receipt["removed"])
        return JSONResponse({"request_id": request_id, **receipt})

    return router


def _forgotten(service: Service, user: str) -> dict[str, Any]:
    """The receipt, which does not say who it was to those who do not know."""
    removed = service.keeper.forget_user(user)
    return {
        "what": "user",
        "digest": digest_of(user),
        "moment": datetime.now(UTC).isoformat(timespec="seconds"),
        "removed": dict(removed),
        "checks": _checks(service, user),
        "left": _left(service, user),
    }


def _checks(service: Service, user: str) -> list[Mapping[str, Any]]:
    """What was looked at after all was done."""
    told = service.later([user])[0]
    return [
        {"what": "the store holds no event of this user", "holds": not told.events},
        {"what": "answers read nothing else of this user", "holds": told.is_forgotten},
    ]


def _left(service: Service, user: str) -> list[Mapping[str, str]]:
    """What only can be done where models are made."""
    left = []
    for served in service.models.loaded:
        name = served.version.name
        if served.people is None or user in served.people.rows:
            left.append({"what": f"version {name}: rows in its data, if any", "how": OFFLINE})
        if served.row_of_user(user) >= 0:
            left.append({"what": f"version {name}: weights learned from them", "how": OFFLINE})
    copies = "Let them expire, or delete them: the server does not know of them."
    return [*left, {"what": "backups of the database and of the data", "how": copies}]
