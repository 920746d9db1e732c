"""Batcher: what waits at the same moment is answered together, by one worker thread."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from tesserec.core.errors import TesserecError
from tesserec.serve.problems import Problem, busy


class Groupable(Protocol):
    """A question that can be answered together with those of the same group."""

    @property
    def group(self) -> Hashable: ...


Question = TypeVar("Question", bound=Groupable)
Answer = TypeVar("Answer")
Waiting = tuple[Question, asyncio.Future[Answer]]


class Batcher(Generic[Question, Answer]):
    """Nothing waits for company: the first question runs at once, and those that come meanwhile
    are the next batch, together with the oldest of them as far as they are of its group.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Sequence[Answer | Exception]],
        most: int,
        waiting: int,
        name: str = "model",
        watch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.answer, self.most, self.most_waiting, self.watch = answer, most, waiting, watch
        self.seconds = 0.0  # what a question took lately
        self._waiting: deque[Waiting[Question, Answer]] = deque()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._busy = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next question would be refused."""
        return len(self._waiting) >= self.most_waiting

    async def ask(self, question: Question) -> Answer:
        """The answer, or what was wrong with this question. Raises `Problem` when all is full."""
        if self.full:
            cause = f"{len(self._waiting)} requests are waiting already."
            raise busy(cause, self.seconds * len(self._waiting))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next, loop)  # with whatever else has just been read
        return await future

    def close(self) -> None:
        """Finish what was begun."""
        self._worker.shutdown()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._taken()
        if not batch:
            self._busy = False
            return
        self.watch(len(batch))
        began = time.perf_counter()

        def work() -> None:
            answers = self._answers([question for question, _ in batch])
            loop.call_soon_threadsafe(done, answers)

        def done(answers: Sequence[Answer | Exception]) -> None:
            each = (time.perf_counter() - began) / len(batch)
            self.seconds += 0.1 * (each - self.seconds)
            self._next(loop)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():  # nobody waits for it any more
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

        self._worker.submit(work)

    def _taken(self) -> list[Waiting[Question, Answer]]:
        """The oldest question and those of its group; the others keep their places."""
        there = [one for one in self._waiting if not one[1].done()]
        group = there[0][0].group if there else None
        batch: list[Waiting[Question, Answer]] = []
        rest: list[Waiting[Question, Answer]] = []
        for one in there:
            fits = len(batch) < self.most and one[0].group == group
            (batch if fits else rest).append(one)
        self._waiting = deque(rest)
        return batch

    def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        """Where something unforeseen happens each is asked alone: one spoils no other's answer."""
        try:
            return self.answer(questions)
        except (TesserecError, Problem) as error:  # all of a group are alike in what is refused
            return [error] * len(questions)
        except Exception as error:
            if len(questions) == 1:
                return [error]
            return [self._answers([one])[0] for one in questions]
