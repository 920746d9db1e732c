"""Rendering: templates become pages that load nothing from elsewhere."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import Response
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# A report that a run wrote: its style stands in it, and it can do nothing.
REPORT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",  # pages are about people
    "Vary": "HX-Request",
}
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}
FILES = ("htmx-2.0.11.min.js", "htmx-LICENSE.txt", "pages.js", "icon.svg")


@lru_cache(1)
def environment() -> Environment:
    """Our templates, and the style that reports have, too."""
    loader = ChoiceLoader(
        [
            PackageLoader("tesserec.serve.pages", "templates"),
            PackageLoader("tesserec.experiment", "pages"),
        ]
    )
    found = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["link"] = link
    found.filters["count"] = "{:,}".format
    return found


@dataclass(frozen=True, eq=False)
class Static:
    """The few files that pages load, by a name that changes when they do."""

    @cached_property
    def files(self) -> Mapping[str, tuple[bytes, str]]:
        """Contents and kind of each."""
        here = resources.files("tesserec.serve.pages").joinpath("static")
        found = {name: here.joinpath(name).read_bytes() for name in FILES}
        found["pages.css"] = environment().get_template("pages.css.j2").render().encode()
        return {name: (content, KINDS[name.rpartition(".")[2]]) for name, content in found.items()}

    @cached_property
    def addresses(self) -> Mapping[str, str]:
        """Where each is found."""
        return {
            name: f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
            for name, (content, _) in self.files.items()
        }


def link(path: str, **query: Any) -> str:
    """An address of ours; what is None or empty is left out, lists are repeated."""
    given = {name: value for name, value in query.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def html(name: str, contents: Mapping[str, Any], status: int = 200) -> Response:
    """A page."""
    text = environment().get_template(name).render({"version": version("tesserec"), **contents})
    return Response(text, status, headers=HEADERS, media_type="text/html; charset=utf-8")
