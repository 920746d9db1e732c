"""A line of JSON for each request and each thing that happens; never keys, bodies or people."""

import json
import sys
import time
import traceback
from contextlib import suppress
from typing import Any, TextIO


class Log:
    """Where the server says what it does. A log that cannot be written stops nobody."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream

    def say(self, event: str, **facts: Any) -> None:
        """One line."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, default=str)
        with suppress(OSError, ValueError):
            self.stream.write(f"{line}\n")
            self.stream.flush()

    def trouble(self, error: BaseException, **facts: Any) -> None:
        """An error that nobody foresaw, with where it happened; its message may hold an id."""
        lines = traceback.format_tb(error.__traceback__)
        self.say("error", error=type(error).__name__, message=str(error), at=lines[-8:], **facts)
