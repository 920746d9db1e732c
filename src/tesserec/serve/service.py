"""Service: what all routes share."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response

from tesserec.serve.answering import Since, explain, recommend, similar
from tesserec.serve.asked import GivenItem
from tesserec.serve.batching import Batcher
from tesserec.serve.beside import Beside
from tesserec.serve.growing import Taken, take_in
from tesserec.serve.keeping import Keeper
from tesserec.serve.keys import Keys, Role, mark_of, may
from tesserec.serve.limits import Limits
from tesserec.serve.log import Log
from tesserec.serve.meters import Meters
from tesserec.serve.models import Models
from tesserec.serve.monitoring import Monitoring
from tesserec.serve.problems import Problem, busy
from tesserec.serve.questions import Near, Question, Why
from tesserec.serve.rates import Rates
from tesserec.serve.rows import Event


@dataclass(frozen=True, eq=False)
class Posted:
    """The events of one request; those of several become durable together."""

    events: Sequence[Event]
    group: None = None


@dataclass(frozen=True, eq=False)
class Arrived:
    """The new items of one request."""

    request_id: str
    items: Sequence[GivenItem]
    group: None = None


@dataclass(eq=False)
class Service:
    """The models, the store, and the queues: of questions, of events, and of new items."""

    models: Models
    keeper: Keeper
    limits: Limits = field(default_factory=Limits)
    keys: Keys = field(default_factory=Keys)
    log: Log = field(default_factory=Log)
    meters: Meters = field(default_factory=Meters)
    stopping: bool = False

    def __post_init__(self) -> None:
        limits, waiting = self.limits, self.limits.waiting
        self.rates = None if limits.rate is None else Rates(limits.rate)
        self.questions: Batcher[Question | Near | Why, bytes] = Batcher(
            self._answers, limits.batch, waiting, "model", self._watch
        )
        self.writing: Batcher[Posted, int] = Batcher(self._keep, limits.batch, waiting, "events")
        self.growing: Batcher[Arrived, Taken] = Batcher(self._take_in, 1, limits.additions, "items")

        self.monitoring = Monitoring(
            self.models, self.keeper, limits.monitor_seconds, self.meters.monitored
        )
        self.beside = Beside(
            self.models,
            self.keeper,
            limits,
            self.meters,
            self.log,
            self.later,
            is_idle=lambda: not len(self.questions),
        )

    def later(self, users: Sequence[str]) -> list[Since]:
        """What the server was told of people."""
        # In this order: who is forgotten in between has no events, and not those from before.
        forgotten = self.keeper.forgotten(users)
        histories = self.keeper.histories(users)
        return [Since(*one) for one in zip(histories, forgotten, strict=True)]

    def admit(self, request: Request, wanted: Role) -> str:
        """The id of a request that may do this. Raises `Problem` for the others."""
        key = _key(request)
        role = None if key is None else self.keys.role(key)
        self.permit(role, wanted, "" if role is None or key is None else mark_of(key))
        return str(request.scope["request_id"])

    def permit(self, role: Role | None, wanted: Role, mark: str) -> None:
        """Let somebody with the key of this mark do this now. Raises `Problem` for the others."""
        if self.keys:
            if role is None:
                ask = {"WWW-Authenticate": 'Bearer realm="tesserec"'}
                raise Problem(401, "No known key came along.", "Authorization: Bearer KEY", ask)
            if not may(role, wanted):
                raise Problem(403, f"A {role} key may not {wanted}.", f"Take a {wanted} key.")
        if self.rates is not None:
            # Only keys that are known are told apart: there are few of them.
            wait = self.rates.wait(mark, time.monotonic())
            if wait:
                raise busy("This key asks too often.", wait, status=429)

    def figures(self) -> bytes:
        """What was counted and timed, for Prometheus."""
        self.meters.waiting.set(len(self.questions))
        return self.meters.text()

    def swapped(self, **facts: str) -> None:
        """Another version answers now: say so."""
        self.meters.swaps.inc()
        self.log.say("activated", model=self.models.active.version.name, **facts)

    def grown(self, items: int = 0, **facts: Any) -> None:
        """The versions in memory know more items now: say so."""
        self.meters.items.inc(items)
        self.log.say("items", added=items, model=self.models.active.version.name, **facts)

    def directed(self, **facts: str) -> None:
        """Traffic goes another way now: say so."""
        traffic = self.models.traffic
        self.log.say("traffic", split=dict(traffic.weights), shadow=traffic.shadow, **facts)

    def close(self) -> None:
        """Finish what was begun and let go."""
        self.questions.close()
        self.writing.close()
        self.growing.close()
        self.beside.close()
        self.keeper.close()

    def _watch(self, size: int) -> None:
        """A batch begins: how large it is, and how many were left behind."""
        self.meters.batch.observe(size)
        self.meters.waiting.set(len(self.questions))

    def _answers(self, questions: Sequence[Question | Near | Why]) -> list[bytes | Exception]:
        match questions[0]:
            case Question():
                return recommend(questions, self.later)  # type: ignore[arg-type]
            case Near():
                return similar(questions)  # type: ignore[arg-type]
            case _:
                return explain(questions, self.later)  # type: ignore[arg-type]

    def _keep(self, posted: Sequence[Posted]) -> list[int | Exception]:
        """How many of each request's events were kept; all of them are durable now."""
        self.meters.events.inc(self.keeper.add([event for one in posted for event in one.events]))
        return [len(one.events) for one in posted]

    def _take_in(self, arrived: Sequence[Arrived]) -> list[Taken | Exception]:
        """The items of one request, which become part of all versions that answer."""
        taken = take_in(self.models, arrived[0].items)
        self.grown(len(taken.added), known=len(taken.known), id=arrived[0].request_id)
        return [taken]


def answer(body: bytes) -> Response:
    """JSON that is written already."""
    return Response(body, media_type="application/json")


def _key(request: Request) -> str | None:
    """The key in `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key")
