"""Beside: answers are noted, and the shadow is asked. No request waits for it."""

import json
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from tesserec.core.errors import TesserecError
from tesserec.serve.answering import Later, recommend
from tesserec.serve.asked import Recommend
from tesserec.serve.backlog import Backlog
from tesserec.serve.keeping import Keeper, stem_of
from tesserec.serve.limits import Limits
from tesserec.serve.log import Log
from tesserec.serve.meters import Meters
from tesserec.serve.models import Models
from tesserec.serve.problems import Problem
from tesserec.serve.questions import Question, read, recommended
from tesserec.serve.rows import Exposure
from tesserec.serve.traffic import drawn

GATHER = 0.2  # seconds
WRITTEN = 2000  # exposures that are written together
SHADOWS = 8  # questions to the shadow at once: few, so that a request that comes finds it done
IDLE = 0.005  # seconds between looks at whether the model has nothing to do
END = 5.0  # seconds for what waits when the server stops
CLEAN = 3600.0  # seconds between removals of what is too old
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it left, or as it would have."""

    answer: bytes
    time: float
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """A request that the shadow is asked, too."""

    body: bytes
    request_id: str
    time: float


class Beside:
    """Keeps what was shown, and asks the shadow, each in a thread of its own."""

    def __init__(
        self,
        models: Models,
        keeper: Keeper,
        limits: Limits,
        meters: Meters,
        log: Log,
        later: Later,
        is_idle: Callable[[], bool],
    ) -> None:
        self.models, self.keeper, self.limits = models, keeper, limits
        self.meters, self.log, self.later, self.is_idle = meters, log, later, is_idle
        self._cleaned, self._failed, self._stopping = 0.0, "", False
        self._said: Backlog[Said] = Backlog(
            self._keep, limits.exposures, WRITTEN, "exposures", meters.exposures_full.inc, GATHER
        )
        self._asked: Backlog[Again] = Backlog(
            self._ask, limits.shadows, SHADOWS, "shadow", meters.shadows_full.inc
        )

    def answered(self, request_id: str, user: str | None, body: bytes, answer: bytes) -> None:
        """A request got its answer, which is noted while versions are compared, or for some."""
        traffic = self.models.traffic
        if not traffic and not self._is_noted(user or request_id):
            return
        now = time.time()
        self._said.add(Said(answer, now), len(answer))
        if traffic.shadow is not None:
            self._asked.add(Again(body, request_id, now), len(body))

    def _is_noted(self, who: str) -> bool:
        """Whether somebody is one of those whose answers are noted at all times."""
        share = self.limits.noted
        return share > 0 and drawn("noted", who) <= share

    def close(self) -> None:
        """Write what waits to be written; the shadow is not asked any more."""
        self._stopping = True
        self._asked.close(END)
        self._said.close(END)

    def _keep(self, said: Sequence[Said]) -> None:
        try:
            self.keeper.show([_exposure(one) for one in said])
            self.meters.exposures_kept.inc(len(said))
            self._failed = ""
            if time.monotonic() - self._cleaned > CLEAN or not self._cleaned:
                self._cleaned = time.monotonic()
                self.keeper.end_exposures(time.time() - DAY * self.limits.exposure_days)
        except Exception as error:
            self.meters.exposures_lost.inc(len(said))
            if str(error) != self._failed:  # said once, and not for each batch
                self.log.trouble(error)
            self._failed = str(error)

    def _ask(self, asked: Sequence[Again]) -> None:
        while not (self.is_idle() or self._stopping):
            time.sleep(IDLE)
        groups: dict[Hashable, list[tuple[Question, float]]] = {}
        for one in asked:
            question = None if self._stopping else self._question(one)
            if question is None:
                self.meters.shadows_failed.inc()
            else:
                groups.setdefault(question.group, []).append((question, one.time))
        for several in groups.values():
            questions = [question for question, _ in several]
            for answer, (_, moment) in zip(self._answers(questions), several, strict=True):
                if isinstance(answer, bytes):
                    self.meters.shadows_answered.inc()
                    self._said.add(Said(answer, moment, shadow=True), len(answer))
                else:
                    self.meters.shadows_failed.inc()

    def _question(self, asked: Again) -> Question | None:
        """The same for the shadow; None where it knows none of what was asked about."""
        shadow = self.models.shadow
        if shadow is None:
            return None
        try:
            body = read(Recommend, asked.body, self.limits).model_copy(update={"reasons": False})
            return recommended(body, shadow, self.limits, asked.request_id)
        except (TesserecError, Problem):
            return None

    def _answers(self, questions: Sequence[Question]) -> Sequence[bytes | Exception]:
        try:
            return recommend(questions, self.later)
        except Exception as error:
            if not isinstance(error, TesserecError | Problem):
                self.log.trouble(error, shadow=True)
            return [error] * len(questions)


def _exposure(said: Said) -> Exposure:
    """What an answer showed, as its own bytes tell it."""
    told = json.loads(said.answer)
    items = tuple(item["id"] for item in told["items"])
    # No client's id of a request holds a slash.
    request = told["request_id"] + ("/shadow" if said.shadow else "")
    return Exposure(request, stem_of(told["model"]), told["user"], items, said.time, said.shadow)
