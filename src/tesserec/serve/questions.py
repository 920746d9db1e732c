"""Questions: what was asked, in rows of the model that answers, and checked against the limits."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tesserec.core.errors import BadRequest, UnknownId
from tesserec.serve.asked import Asked, Explain, Recommend, Similar
from tesserec.serve.limits import Limits
from tesserec.serve.problems import Problem
from tesserec.serve.served import Served

Body = TypeVar("Body", bound=Asked)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One request for recommendations."""

    served: Served
    request_id: str
    k: int
    user: str | None
    history: Sequence[int]  # of a stranger
    exclude: Sequence[int]
    candidates: Sequence[int] | None
    where: str | None
    context: Mapping[str, Any] | None
    reasons: bool
    group: Hashable = field(init=False)

    def __post_init__(self) -> None:
        """What must be alike to be answered together."""
        context = self.context and tuple((name, type(one)) for name, one in self.context.items())
        rest = (self.user is None, self.candidates is None, self.reasons)
        # A search by beams is as wide as the most answers asked for: others would change it.
        beam = getattr(self.served.model, "beam", None)
        width = None if beam is None else max(beam, self.k)
        object.__setattr__(self, "group", (id(self.served), self.where, context, width, *rest))


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """One request for items that are like another."""

    served: Served
    request_id: str
    k: int
    item: str
    row: int

    @property
    def group(self) -> Hashable:
        return id(self.served)


@dataclass(frozen=True, slots=True, eq=False)
class Why:
    """One request for the reasons of an answer."""

    question: Question
    item: str
    row: int

    @property
    def group(self) -> Hashable:
        return id(self)  # alone


def read(kind: type[Body], body: bytes, limits: Limits) -> Body:
    """A body as what it should be. Raises `ValidationError`."""
    return kind.model_validate_json(body, context={"name": limits.name})


def recommended(body: Recommend, served: Served, limits: Limits, request_id: str) -> Question:
    """A question about items for somebody. Raises `Problem` beyond a limit, `UnknownId`."""
    check_size("k", body.k, limits.k)
    check_size("exclude", len(body.exclude), limits.exclude)
    check_size("candidates", len(body.candidates or ()), limits.candidates)
    check_size("where", len(body.where or ""), limits.where)
    check_size("context", len(body.context or ()), limits.context)
    if body.user is None and body.history is None and body.context is None:
        raise Problem(422, "Nobody is asked for.", "Give user, history or context.")
    return Question(
        served,
        request_id,
        body.k,
        body.user,
        _history(body, served, limits),
        _known(body.exclude, served) if body.exclude else (),
        None if body.candidates is None else _some(body.candidates, served, "candidates"),
        body.where,
        body.context,
        body.reasons,
    )


def near(body: Similar, served: Served, limits: Limits, request_id: str) -> Near:
    """A question about items like one. Raises `Problem` beyond a limit, `UnknownId`."""
    check_size("k", body.k, limits.k)
    return Near(served, request_id, body.k, body.item, _row(body.item, served))


def why(body: Explain, served: Served, limits: Limits, request_id: str) -> Why:
    """A question about reasons. Raises `Problem` beyond a limit, `UnknownId`."""
    check_size("k", body.k, limits.k)
    if body.user is None and body.history is None:
        raise Problem(422, "Nobody is asked for.", "Give user or history.")
    history = _history(body, served, limits)
    rest = (history, (), None, None, None, False)
    asked = Question(served, request_id, body.k, body.user, *rest)
    return Why(asked, body.item, _row(body.item, served))


def check_size(name: str, value: int, most: int) -> None:
    """Refuse what is beyond a limit. Raises `Problem`."""
    if value > most:
        cause = f"{name}: {value} is more than the {most} that this server takes."
        raise Problem(422, cause, errors=[{"pointer": f"/{name}", "detail": f"at most {most}"}])


def _history(body: Recommend | Explain, served: Served, limits: Limits) -> Sequence[int]:
    if body.user is not None and body.history is not None:
        raise Problem(422, "A user and a history were given.", "Give one of them.")
    if body.user is not None and served.people is None:
        raise BadRequest(f"{served.why_not}", "Ask with a history, or start with --data DATA.")
    check_size("history", len(body.history or ()), limits.history)
    return _some(body.history, served, "history") if body.history else ()


def _some(ids: Sequence[str], served: Served, name: str) -> list[int]:
    """The rows of those that are known. Raises `UnknownId` if none is."""
    rows = _known(ids, served)
    if ids and not rows:
        raise UnknownId(f"{name}: none of these items is known: {', '.join(ids[:5])}.")
    return rows


def _known(ids: Sequence[str], served: Served) -> list[int]:
    rows = served.items
    return [rows[one] for one in ids if one in rows]


def _row(item: str, served: Served) -> int:
    if item not in served.items:
        raise UnknownId(f"There is no item {item!r}.")
    return served.items[item]
