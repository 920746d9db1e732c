"""What a long job says about itself while it runs."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Told how far a job is. The command line draws bars; the default says nothing."""

    def start(self, job: str, total: int | None) -> None:
        """A job of `total` units begins; None where the number is not known."""
        ...

    def advance(self, done: int, facts: Mapping[str, float | str]) -> None:
        """So many units are done; `facts` are worth showing beside the bar."""
        ...

    def say(self, line: str) -> None:
        """One sentence for the person who waits."""
        ...

    def finish(self) -> None:
        """The job begun last is over."""
        ...


class Silent:
    """Says nothing."""

    def start(self, job: str, total: int | None) -> None: ...
    def advance(self, done: int, facts: Mapping[str, float | str]) -> None: ...
    def say(self, line: str) -> None: ...
    def finish(self) -> None: ...
