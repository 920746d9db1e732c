"""Answers: what the API would answer, as pages show it. Limits and batches are the API's."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tesserec.core.errors import CannotAnswer, TesserecError
from tesserec.serve.answering import name_of
from tesserec.serve.asked import Recommend, Similar
from tesserec.serve.pages.look import Face, Look
from tesserec.serve.people import NOTHING, Past
from tesserec.serve.problems import Problem, problem_of
from tesserec.serve.questions import near, recommended
from tesserec.serve.service import Service

NEW = "new"


@dataclass(frozen=True)
class Reason:
    """An item of the history that speaks for an answer."""

    face: Face
    share: float


@dataclass(frozen=True)
class Line:
    """One answer."""

    face: Face
    score: float
    reasons: Sequence[Reason] = ()
    moved: int | str = 0  # places up against another list, or that it is new there


@dataclass(frozen=True)
class Answer:
    """A list of items, or why there is none."""

    lines: Sequence[Line] = ()
    trouble: Problem | None = None

    @property
    def ids(self) -> list[str]:
        """Of the items."""
        return [line.face.id for line in self.lines]

    def against(self, other: "Answer") -> "Answer":
        """The same with what changed since another."""
        places = {item: place for place, item in enumerate(other.ids)}
        lines = [
            Line(
                line.face,
                line.score,
                line.reasons,
                places[line.face.id] - place if line.face.id in places else NEW,
            )
            for place, line in enumerate(self.lines)
        ]
        return Answer(lines, self.trouble)


async def recommend(
    service: Service, look: Look, request_id: str, why: bool = True, **asked: Any
) -> Answer:
    """The best items for somebody; what cannot be answered is told in place of them."""
    try:
        if why and look.explains:
            try:
                return await _asked(service, look, request_id, {**asked, "reasons": True})
            except CannotAnswer:
                found = await _asked(service, look, request_id, asked)
                look.explains = False  # it was the reasons that could not be answered
                return found
        return await _asked(service, look, request_id, asked)
    except (Problem, TesserecError) as error:
        return Answer(trouble=problem_of(error))


async def _asked(service: Service, look: Look, request_id: str, asked: Mapping[str, Any]) -> Answer:
    body = Recommend.model_validate(asked, context={"name": service.limits.name})
    question = recommended(body, look.served, service.limits, request_id)
    return _shown(await service.questions.ask(question), look)


async def similar(service: Service, look: Look, request_id: str, item: str, k: int) -> Answer:
    """The items that the model finds most like one."""
    try:
        question = near(Similar(item=item, k=k), look.served, service.limits, request_id)
        return _shown(await service.questions.ask(question), look)
    except (Problem, TesserecError) as error:
        return Answer(trouble=problem_of(error))


async def past_of(service: Service, look: Look, user: str | None) -> Past:
    """What somebody did, with what the server was told since."""
    people = look.served.people
    if user is None or people is None:
        return NOTHING
    since = (await asyncio.to_thread(service.later, [user]))[0]
    return people.past(user, since.events, look.served.items, since.is_forgotten)


async def is_known(service: Service, look: Look, user: str) -> bool:
    """Whether anything is known of somebody."""
    people = look.served.people
    since = (await asyncio.to_thread(service.later, [user]))[0]
    in_data = people is not None and user in people.rows and not since.is_forgotten
    return in_data or bool(since.events)


def name(look: Look) -> str:
    """What the method is called."""
    return name_of(look.served)


def _shown(body: bytes, look: Look) -> Answer:
    rows = look.served.items
    return Answer([_line(one, look, rows) for one in json.loads(body)["items"]])


def _line(one: Mapping[str, Any], look: Look, rows: Mapping[str, int]) -> Line:
    reasons = [Reason(look.face(rows[why["id"]]), why["share"]) for why in one.get("reasons", ())]
    return Line(look.face(rows[one["id"]]), one["score"], reasons)
