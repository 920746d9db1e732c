"""Trouble as `application/problem+json` (RFC 9457), with a line of cause and one of cure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from tesserec.core.errors import DiskFull, TesserecError, Unavailable, UnknownId

MEDIA = "application/problem+json"

TITLES = {
    400: "This is no JSON",
    401: "A key is needed",
    403: "This key may not do that",
    404: "There is no such thing",
    405: "Not with this method",
    409: "Something else is in its place",
    413: "Too much at once",
    422: "This cannot be asked",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Too busy",
    507: "No room",
}


class Problem(Exception):
    """What a client is told instead of an answer."""

    def __init__(
        self,
        status: int,
        cause: str,
        cure: str = "",
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(cause)
        self.status, self.cause, self.cure = status, cause, cure
        self.headers, self.errors = dict(headers or {}), list(errors)

    def response(self, request_id: str) -> Response:
        """The same as an answer."""
        title = TITLES.get(self.status, "This did not work")
        told: dict[str, Any] = {
            "type": f"urn:tesserec:problem:{title.lower().replace(' ', '-')}",
            "title": title,
            "status": self.status,
            "detail": self.cause,
            **({"cure": self.cure} if self.cure else {}),
            **({"errors": self.errors} if self.errors else {}),
            "request_id": request_id,
        }
        text = json.dumps(told, ensure_ascii=False)
        return Response(text, self.status, headers=self.headers, media_type=MEDIA)


def busy(cause: str, seconds: float, status: int = 503) -> Problem:
    """Try again in so many seconds."""
    wait = max(1, round(seconds + 0.5))
    return Problem(status, cause, f"Try again in {wait} s.", {"Retry-After": str(wait)})


def refuse(wrong: Mapping[str, str], cause: str, cure: str) -> None:
    """Raise a `Problem` that points at all that is wrong: JSON pointer -> why."""
    if wrong:
        errors = [{"pointer": place, "detail": why} for place, why in list(wrong.items())[:20]]
        raise Problem(422, f"{errors[0]['pointer']}: {cause}", cure, errors=errors)


def problem_of(error: Exception) -> Problem:
    """What a client is told of an error; of those that nobody foresaw, nothing but that."""
    match error:
        case Problem():
            found = error
        case ValidationError():
            told = error.errors(include_url=False, include_context=False, include_input=False)
            found = _misread(told)
        case RequestValidationError():
            found = _misread(error.errors())
        case HTTPException():
            found = Problem(error.status_code, str(error.detail), headers=error.headers)
        case TesserecError():
            status = {UnknownId: 404, Unavailable: 503, DiskFull: 507}.get(type(error), 422)
            headers = {"Retry-After": "1"} if status == 503 else None
            found = Problem(status, error.cause, error.cure, headers)
        case _:
            cure = "The server's log says why, under this request's id."
            found = Problem(500, "The request could not be answered.", cure)
    return found


def _misread(found: Sequence[Mapping[str, Any]]) -> Problem:
    """Every field that cannot be read, by its JSON pointer."""
    if found[0]["type"] == "json_invalid":
        return Problem(400, found[0]["msg"])
    told = [(_pointer(one["loc"]), one["msg"].removeprefix("Value error, ")) for one in found[:20]]
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in told]
    first = errors[0]
    return Problem(422, f"{first['pointer'] or 'The body'}: {first['detail']}.", errors=errors)


def _pointer(place: Sequence[int | str]) -> str:
    """Steps such as `("events", 0, "item")`, without the names of validators: `/events/0/item`"""
    steps = [str(step) for step in place if isinstance(step, int) or step.isidentifier()]
    return "".join(f"/{step}" for step in steps)


def install(app: FastAPI) -> None:
    """Every error of this application leaves it as a problem."""

    async def told(request: Request, error: Exception) -> Response:
        return problem_of(error).response(request.scope["request_id"])

    for kind in (Problem, TesserecError, ValidationError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, told)
