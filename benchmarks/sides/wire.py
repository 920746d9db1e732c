"""The line between a benchmark and a side: JSON lines in, JSON lines out, one process a side.

A side is a script that runs in the environment of what it measures, ours or a peer's, so nothing
here needs more than Python itself.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

# What libraries print, some while they are imported, must not get into the answers.
_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def serve(**operations: Callable[..., dict[str, Any] | None]) -> None:
    """Answer `{"do": <operation>, <argument>: <value>, ...}` until the line closes."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = operations[asked.pop("do")](**asked) or {}
        except Exception:
            found = {"error": traceback.format_exc()}
        print(json.dumps({**found, "peak_mb": peak_mb()}), file=_answers, flush=True)


def peak_mb() -> float | None:
    """The most memory this process ever held, where the system tells."""
    # Not `ru_maxrss`: a child starts with its parent's.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    found = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return round(found[0], 1) if found else None


class Anonymous:
    """The most memory besides mapped files that this process holds while a block runs."""

    def __enter__(self) -> "Anonymous":
        self.peak_mb, self.over = 0.0, threading.Event()
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.watcher.join()

    def _watch(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            now = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            self.peak_mb = max(self.peak_mb, now / 1024)
            if self.over.wait(0.01):
                return


class Watch:
    """Hands out batches and notes how long its taker spends on each before asking again."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.counts: list[dict[str, int]] = []

    def over(self, batches: Iterable[Any], count: int) -> Iterator[Any]:
        """The first `count` batches; drawing them is not on the clock."""
        for number, batch in enumerate(batches):
            if number == count:
                return
            began = time.perf_counter()
            yield batch
            self.seconds.append(time.perf_counter() - began)

    def drawing(
        self, batches: Iterable[Any], count: int, counts: Callable[[Any], dict[str, int]]
    ) -> Iterator[Any]:
        """The first `count` batches; drawing them is on the clock, counting is not."""
        drawn = iter(batches)
        for _ in range(count):
            began = time.perf_counter()
            batch = next(drawn)
            self.seconds.append(time.perf_counter() - began)
            self.counts.append(counts(batch))
            began = time.perf_counter()
            yield batch
            self.seconds[-1] += time.perf_counter() - began

    def per_step(self) -> dict[str, Any]:
        """The times since the last call, and beside each what its batch held."""
        counts, self.counts = self.counts, []
        return {**self.taken(), **{name: [one[name] for one in counts] for name in counts[0]}}

    def taken(self) -> dict[str, Any]:
        """The times since the last call."""
        seconds, self.seconds = self.seconds, []
        return {"seconds": seconds}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what came out."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found
