"""Group commit: what several threads want written at the same time is written in one go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass(eq=False)
class _Waiting(Generic[Job, Done]):
    job: Job
    is_over: bool = False
    done: Done | None = None
    error: BaseException | None = None


class Together(Generic[Job, Done]):
    """Calls `work` with the jobs of all threads that came while it was busy.

    A sync to disk takes milliseconds. The first thread to come works, those that come meanwhile
    wait, and one of them does the work of all that waited: a hundred threads need a few syncs.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Done]]) -> None:
        self.work = work
        self._change = Condition()
        self._waiting: list[_Waiting[Job, Done]] = []
        self._is_busy = False

    def __call__(self, job: Job) -> Done:
        """Do one job, perhaps among others. Raises what the work that it was part of raised."""
        mine: _Waiting[Job, Done] = _Waiting(job)
        with self._change:
            self._waiting.append(mine)
            self._change.wait_for(lambda: mine.is_over or not self._is_busy)
            taken: list[_Waiting[Job, Done]] = []
            if not mine.is_over:
                taken, self._waiting, self._is_busy = self._waiting, [], True
        if taken:
            self._do(taken)
        if mine.error is not None:
            raise mine.error
        return mine.done  # type: ignore[return-value]

    def _do(self, taken: list[_Waiting[Job, Done]]) -> None:
        try:
            for one, done in zip(taken, self.work([one.job for one in taken]), strict=True):
                one.done = done
        except BaseException as error:
            for one in taken:
                one.error = error
        finally:
            with self._change:
                for one in taken:
                    one.is_over = True
                self._is_busy = False
                self._change.notify_all()
