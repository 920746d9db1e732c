"""Door: who may look at the pages. A key is asked for once; a cookie then stands for a session."""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request, Response

from tesserec.serve.keys import Role, mark_of
from tesserec.serve.problems import Problem
from tesserec.serve.service import Service

SESSION = "tesserec"  # the cookie of somebody who showed a key
FORM = "tesserec_form"  # the cookie that forms are bound to where nobody showed one
LIFE = 12 * 3600  # seconds until a key is asked for again
FIELDS = 100  # of one form
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class SignIn(Exception):
    """Nobody knows who this is: a key is asked for first."""

    def __init__(self, then: str) -> None:
        super().__init__("A key is needed.")
        self.then = then


@dataclass(frozen=True)
class Visitor:
    """Somebody who was let in."""

    request_id: str
    role: Role  # without keys everybody may do everything
    token: str  # what forms are bound to
    is_new: bool  # whether the browser has yet to be told the token
    signed_in: bool = False

    @property
    def csrf(self) -> str:
        """What a form sends along, so that no other site can send it."""
        return _digest("form", self.token)


@dataclass(eq=False)
class Door:
    """Sessions lie in the store, so that all workers know them; neither key nor token does."""

    service: Service

    async def admit(self, request: Request, wanted: Role = "read") -> Visitor:
        """Who asks, if they may. Raises `SignIn`, and `Problem` for what this key may not do."""
        service, request_id = self.service, str(request.scope["request_id"])
        if not service.keys:
            service.permit(None, wanted, "")
            return self.stranger(request)
        token = _cookie(request, SESSION)
        state = None if token is None else await asyncio.to_thread(self._state, token)
        mark = "" if state is None else str(state.get("mark", ""))
        role = service.keys.role_of_mark(mark) if mark else None
        if token is None or role is None:
            raise SignIn(_here(request))
        service.permit(role, wanted, mark)
        return Visitor(request_id, role, token, is_new=False, signed_in=True)

    def stranger(self, request: Request) -> Visitor:
        """Somebody of whom nothing is asked."""
        token = _cookie(request, FORM)
        fresh = token or secrets.token_urlsafe(32)
        return Visitor(str(request.scope["request_id"]), "admin", fresh, is_new=token is None)

    async def sign_in(self, key: str) -> str:
        """The token of a new session. Raises `Problem` for a key that nobody knows."""
        if self.service.keys.role(key) is None:
            raise Problem(403, "This key is not known.", "Look whether all of it was copied.")
        token, now = secrets.token_urlsafe(32), time.time()
        keeper = self.service.keeper
        await asyncio.to_thread(keeper.end_sessions, now - LIFE)
        state = {"mark": mark_of(key), "since": now}
        await asyncio.to_thread(keeper.keep_session, _digest("session", token), state, now)
        return token

    async def sign_out(self, visitor: Visitor) -> None:
        """From now on the visitor's cookie stands for nothing."""
        name = _digest("session", visitor.token)
        await asyncio.to_thread(self.service.keeper.keep_session, name, {}, 0.0)

    def _state(self, token: str) -> dict[str, object] | None:
        """A session's state while it lives."""
        state = self.service.keeper.session(_digest("session", token))
        if not state or float(state["since"]) < time.time() - LIFE:
            return None
        return dict(state)


async def form_of(request: Request, visitor: Visitor) -> dict[str, str]:
    """The fields of a form that one of our own pages has sent. Raises `Problem` for another's."""
    try:
        fields = parse_qsl((await request.body()).decode(), max_num_fields=FIELDS)
    except ValueError:
        raise Problem(422, "This form cannot be read.", "Go back and try again.") from None
    form = dict(fields)
    if not hmac.compare_digest(form.pop("csrf", "").encode(), visitor.csrf.encode()):
        cure = "Go back, load the page again, and send the form from there."
        raise Problem(403, "This form is not from a page of yours, or is too old.", cure)
    return form


def remember(response: Response, request: Request, name: str, token: str) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, token, path="/", httponly=True, samesite="strict", secure=secure)


def local(address: str) -> str:
    """An address of ours, the first page instead of anybody else's."""
    parts = urlsplit(address)
    ours = not parts.scheme and not parts.netloc and re.match(r"/(?![/\\])", address)
    return quote(address, safe="/?&=%+.:,~-_") if ours else "/"


def _here(request: Request) -> str:
    if request.method != "GET":
        return "/"
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _cookie(request: Request, name: str) -> str | None:
    token = request.cookies.get(name, "")
    return token if _TOKEN.fullmatch(token) else None


def _digest(what: str, token: str) -> str:
    return hashlib.sha256(f"tesserec {what} {token}".encode()).hexdigest()
