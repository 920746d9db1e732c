"""Backlog: work that may be done later, or not at all; nobody waits for it."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Backlog(Generic[Job]):
    """A thread does jobs in batches; those for which there is no room are dropped."""

    def __init__(
        self,
        work: Callable[[Sequence[Job]], None],
        room: int,
        most: int,
        name: str,
        dropped: Callable[[int], None],
        gather_seconds: float = 0.0,
    ) -> None:
        """`room` is what may wait, in the sizes that `add` is told; `most` jobs are a batch.

        `work` raises nothing. What comes within `gather_seconds` of the first job joins it.
        """
        self.work, self.room, self.most, self.dropped = work, room, most, dropped
        self.name, self.gather_seconds = name, gather_seconds
        self._change = threading.Condition()
        self._waiting: deque[tuple[Job, int]] = deque()
        self._size = 0
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, job: Job, size: int) -> None:
        """Do a job some time, if there is room."""
        with self._change:
            fits = self._size + size <= self.room and not self._closing.is_set()
            if fits:
                self._size += size
                self._waiting.append((job, size))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                    self._thread.start()
                self._change.notify()
        if not fits:
            self.dropped(1)

    def close(self, seconds: float) -> None:
        """Do what waits, as far as that is done in time."""
        self._closing.set()
        with self._change:
            self._change.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closing.is_set())
                if not self._waiting:
                    return
            self._closing.wait(self.gather_seconds)
            self.work(self._taken())

    def _taken(self) -> list[Job]:
        with self._change:
            taken = [self._waiting.popleft() for _ in range(min(self.most, len(self._waiting)))]
            self._size -= sum(size for _, size in taken)
        return [job for job, _ in taken]
