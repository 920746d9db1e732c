"""A line of JSON for each request and each thing that happens; never keys, bodies or people."""

import asyncio
import json
import sys
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

MOMENT = 0.05  # seconds
KEPT = 20  # troubles that are remembered


@dataclass(frozen=True)
class Trouble:
    """That something unforeseen happened; what exactly, the log says."""

    time: float  # seconds since 1970
    error: str
    request_id: str


class Log:
    """Where the server says what it does. A log that cannot be written stops nobody."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self._lines: list[str] = []
        self.troubles: deque[Trouble] = deque(maxlen=KEPT)  # the latest last

    def request(self, **facts: Any) -> None:
        """A line that is written within a moment, together with those that come until then.

        Each write lets go of the interpreter, which the model's thread does not soon give back.
        """
        if not self._lines:
            asyncio.get_running_loop().call_later(MOMENT, self.flush)
        self._lines.append(_line("request", facts))

    def flush(self) -> None:
        """Write what waits."""
        lines, self._lines = self._lines, []
        self._write(lines)

    def say(self, event: str, **facts: Any) -> None:
        """One line."""
        self._write([_line(event, facts)])

    def trouble(self, error: BaseException, **facts: Any) -> None:
        """An error that nobody foresaw, with where it happened; its message may hold an id."""
        self.troubles.append(Trouble(time.time(), type(error).__name__, str(facts.get("id", ""))))
        lines = traceback.format_tb(error.__traceback__)
        self.say("error", error=type(error).__name__, message=str(error), at=lines[-8:], **facts)

    def _write(self, lines: list[str]) -> None:
        with suppress(OSError, ValueError):
            self.stream.write("".join(lines))
            self.stream.flush()


def _line(event: str, facts: dict[str, Any]) -> str:
    now = round(time.time(), 3)
    return json.dumps({"time": now, "event": event, **facts}, default=str) + "\n"
