"""Guard: around every request an id, a limit of bytes and of time, a line in the log, figures."""

import asyncio
import re
import secrets
import time
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tesserec.serve.problems import Problem, busy, problem_of
from tesserec.serve.service import Service

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        # Drawn once: each draw would let go of the interpreter, and wait until it is free again.
        self._process, self._number = secrets.token_hex(6), count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        headers = dict(scope["headers"])
        request_id = self._id(headers.get(b"x-request-id", b""))
        scope["request_id"] = request_id

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            async with asyncio.timeout(self.service.limits.seconds):
                await self.app(scope, self._counted(headers, receive), told)
        except Exception as error:
            trouble = self._told(error, request_id)
            if not status:  # or half of the answer is under way
                await trouble.response(request_id)(scope, receive, told)
        finally:
            self._note(scope, request_id, status or 499, time.perf_counter() - began)

    def _id(self, given: bytes) -> str:
        """The client's own id where it is fit for logs, or a new one."""
        if _SANE.fullmatch(given):
            return given.decode()
        return f"{self._process}-{next(self._number)}"

    def _told(self, error: Exception, request_id: str) -> Problem:
        if isinstance(error, TimeoutError):
            cause = f"It took longer than {self.service.limits.seconds:g} s."
            return busy(cause, self.service.questions.seconds * len(self.service.questions))
        problem = problem_of(error)
        if problem.status == 500:
            self.service.log.trouble(error, id=request_id)
        return problem

    def _counted(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """The same, with an end to it. Raises `Problem` for a body that is too large."""
        most, come = self.service.limits.body, 0
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > most:
            raise _too_large(most)
        if b"transfer-encoding" not in headers:
            return receive

        async def some() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > most:
                raise _too_large(most)
            return message

        return some

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if route != "none" else "any"
        service = self.service
        service.meters.answered(route, method, status, seconds)
        service.log.request(
            id=request_id,
            method=method,
            route=route,
            status=status,
            ms=round(1e3 * seconds, 2),
            model=service.models.active.version.name,
        )


def _too_large(most: int) -> Problem:
    close = {"Connection": "close"}  # what is left of the body is not read
    return Problem(413, f"The body is larger than {most} bytes.", "Send less at once.", close)
