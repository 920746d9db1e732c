"""Models: the versions, how each was learned, and two of them side by side."""

import asyncio
import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from tesserec.core.errors import TesserecError, UnknownId
from tesserec.core.files import read_json
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.page import curves
from tesserec.recommenders.artifact import description_of
from tesserec.serve.asked import Asked, Id
from tesserec.serve.keeping import Version
from tesserec.serve.keys import may
from tesserec.serve.pages.answers import Answer, is_known, name, recommend
from tesserec.serve.pages.door import form_of
from tesserec.serve.pages.folders import holding
from tesserec.serve.pages.rendering import HEADERS, REPORT
from tesserec.serve.pages.site import Site, to
from tesserec.serve.problems import Problem

REPORTED = "report.html"
LARGEST = 64 << 20  # bytes of a report


class Named(Asked):
    version: Id


class Pair(Asked):
    """Somebody, and a version beside the one that answers."""

    user: Id | None = None
    version: Id | None = None
    k: int = Field(10, ge=1)


def routes(site: Site) -> APIRouter:
    """The pages of this site."""
    router = APIRouter(route_class=site.route, include_in_schema=False)
    service = site.service

    @router.get("/models")
    async def models(request: Request) -> Response:
        """All versions."""
        visitor = await site.door.admit(request)
        active = service.models.active.version.name
        versions = await asyncio.to_thread(_versions, site)
        versions.sort(key=lambda one: one["name"] != active)
        previous = service.models.previous
        told: dict[str, Any] = {
            "versions": versions,
            "active": active,
            "previous": None if previous is None else previous.version.name,
            "may_activate": may(visitor.role, "admin"),
        }
        return site.page(request, visitor, "models.html.j2", **told)

    @router.post("/models/activate")
    async def activate(request: Request) -> Response:
        """Let another version answer from now on."""
        visitor = await site.door.admit(request, "admin")
        form = await form_of(request, visitor)
        version = site.word(form.get("version", ""))
        if await asyncio.shield(asyncio.to_thread(service.models.activate, version)):
            service.swapped(id=visitor.request_id)
        return to(request, "/models")

    @router.get("/models/version")
    async def version(request: Request) -> Response:
        """How one version was learned."""
        visitor = await site.door.admit(request)
        found = await asyncio.to_thread(_version, site, site.read(Named, request).version)
        told = await asyncio.to_thread(_learned, site, found)
        return site.page(request, visitor, "version.html.j2", **told)

    @router.get("/models/report")
    async def report(request: Request) -> Response:
        """The report of a run as it was written; it can do nothing but be read."""
        await site.door.admit(request)
        found = await asyncio.to_thread(_version, site, site.read(Named, request).version)
        text = await asyncio.to_thread(_report, site, found)
        headers = {**HEADERS, "Content-Security-Policy": REPORT}
        return Response(text, headers=headers, media_type="text/html; charset=utf-8")

    @router.get("/models/compare")
    async def compare(request: Request) -> Response:
        """What two versions answer to the same person."""
        visitor = await site.door.admit(request)
        pair = site.read(Pair, request)
        names = list(await asyncio.to_thread(service.models.versions))
        active = service.models.active.version.name
        others = [one for one in names if one != active]
        told: dict[str, Any] = {"pair": pair, "others": others, "active": active, "sides": []}
        if pair.user is not None and others:
            other = pair.version or others[0]
            told["sides"] = await _sides(site, pair.user, other, pair.k, visitor.request_id)
            told["both"] = set.intersection(*(set(one["answer"].ids) for one in told["sides"]))
        return site.page(request, visitor, "compare.html.j2", **told)

    return router


async def _sides(
    site: Site, user: str, version: str, k: int, request_id: str
) -> list[dict[str, Any]]:
    """The answers of the active version and of another. Raises `UnknownId` for either."""
    service = site.service
    other = await asyncio.to_thread(service.models.get, version)
    looks = [site.look(), site.look(other)]
    if not any([await is_known(service, look, user) for look in looks]):
        raise UnknownId(f"There is no user {user!r}.", "Search among people for one there is.")
    asked = (recommend(service, look, request_id, why=False, user=user, k=k) for look in looks)
    answers: list[Answer] = await asyncio.gather(*asked)
    return [
        {"version": look.served.version.name, "method": name(look), "answer": answer}
        for look, answer in zip(looks, answers, strict=True)
    ]


def _versions(site: Site) -> list[dict[str, Any]]:
    models = site.service.models
    return [_facts(site, version) for version in models.versions().values()]


def _facts(site: Site, version: Version) -> dict[str, Any]:
    """What the run folder of a version says in a line."""
    facts = RunFolder(Path(version.folder)).facts
    told = facts.get("facts", {})
    return {
        "name": version.name,
        "method": _method(version),
        "watched": told.get("watched"),
        "valid": told.get("valid"),
        "seconds": told.get("fit_seconds"),
        "report": holding(site.service.models, version, REPORTED) is not None,
    }


def _method(version: Version) -> str:
    """What learned it, or how it was composed, as the model folder says."""
    description = description_of(Path(version.folder))
    return "a model" if description is None else str(read_json(description).get("kind", "a model"))


def _version(site: Site, wanted: str) -> Version:
    """A version by name. Raises `UnknownId`."""
    versions = site.service.models.versions()
    if wanted not in versions:
        raise UnknownId(f"There is no version {wanted!r}.", "Choose one among the models.")
    return versions[wanted]


def _learned(site: Site, version: Version) -> dict[str, Any]:
    """The curves and the description of a version."""
    folder = Path(version.folder)
    plots: list[dict[str, str]] = []
    if (folder / "log.jsonl").is_file():
        try:
            plots = curves(folder, {})
        except (TesserecError, ValueError, KeyError, StopIteration):
            plots = []  # a log that was cut off, or of a run that goes on
    study = folder / "study.toml"
    return {
        "facts": _facts(site, version),
        "plots": plots,
        "study": study.read_text("utf-8") if study.is_file() else _described(folder),
    }


def _described(folder: Path) -> str:
    description = description_of(folder)
    return "" if description is None else json.dumps(read_json(description), indent=2)


def _report(site: Site, version: Version) -> bytes:
    """The nearest report. Raises `Problem` where there is none."""
    folder = holding(site.service.models, version, REPORTED)
    if folder is None or (folder / REPORTED).stat().st_size > LARGEST:
        raise Problem(404, f"{version.name} has no report.", "Run: tesserec evaluate RUN")
    return (folder / REPORTED).read_bytes()
