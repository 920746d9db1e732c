"""What commands print: words and bars on standard error, answers on standard out."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from tesserec.core import Progress

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no messages.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a field.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="Of the arithmetic; auto: bfloat16 on a GPU that has it, else float32."),
]


@dataclass
class Console:
    """Where a command writes."""

    as_json: bool = False
    quiet: bool = False
    progress: "Progress" = field(init=False)

    def __post_init__(self) -> None:
        from tesserec.core import Silent

        watched = Bars() if sys.stderr.isatty() else Lines()
        self.progress = Silent() if self.quiet else watched

    def say(self, text: str) -> None:
        """A message for the person who waits."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def answer(self, value: Mapping[str, Any], text: str = "") -> None:
        """What the command was for: JSON where it was asked for, else text."""
        if self.as_json:
            print(json.dumps(value, ensure_ascii=False, default=str))
        elif text:
            print(text)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
        """A table on standard out, or on standard error beside JSON."""
        if self.as_json:
            return
        from rich import box
        from rich.console import Console as Rich
        from rich.table import Table

        table = Table(
            title=title or None,
            box=box.SIMPLE_HEAD,
            title_justify="left",
            collapse_padding=True,
            pad_edge=False,
        )
        for place, name in enumerate(head):
            numbers = all(isinstance(row[place], int | float) for row in rows) and bool(rows)
            # What is too wide goes on below: a number that is cut is another number.
            table.add_column(name, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        Rich(markup=False, highlight=False).print(table)


class Lines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self.job, self.total, self.done, self.began, self.said = "", 0, 0, 0.0, 0.0

    def start(self, job: str, total: int | None) -> None:
        """Remember what is done."""
        self.job, self.total, self.done = job, total or 0, 0
        self.began = self.said = time.monotonic()

    def advance(self, done: int, facts: Mapping[str, float | str]) -> None:
        """Say how far it is, now and then."""
        self.done += done
        now = time.monotonic()
        if now - self.said >= self.seconds:
            self.said = now
            of = f"/{self.total} ({100 * self.done / self.total:.0f} %)" if self.total else ""
            left = _left(self.done, self.total, now - self.began)
            shown = "  ".join(f"{name} {_short(value)}" for name, value in facts.items())
            print(f"{self.job}: {self.done}{of}  {shown}{left}", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """One sentence."""
        print(line, file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Nothing to tidy up."""


class Bars:
    """A rich bar for each job under way."""

    def __init__(self) -> None:
        from rich.console import Console as Rich
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self.rich = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[facts]}"),
            console=Rich(stderr=True, highlight=False),
            transient=True,
        )
        self.jobs: list[Any] = []
        self.drawn = 0.0

    def start(self, job: str, total: int | None) -> None:
        """Add a bar."""
        if not self.jobs:
            self.rich.start()
        self.jobs.append(self.rich.add_task(job, total=total, facts=""))

    def advance(self, done: int, facts: Mapping[str, float | str]) -> None:
        """Move the newest bar; facts are drawn ten times a second at most."""
        now = time.monotonic()
        if facts and now - self.drawn > 0.1:
            self.drawn = now
            shown = "  ".join(f"{name} {_short(value)}" for name, value in facts.items())
            memory = f"  {_memory():.1f} GB"
            self.rich.update(self.jobs[-1], advance=done, facts=shown + memory)
        else:
            self.rich.update(self.jobs[-1], advance=done)

    def say(self, line: str) -> None:
        """One sentence above the bars."""
        self.rich.console.print(line, markup=False)

    def finish(self) -> None:
        """Take the newest bar away."""
        self.rich.remove_task(self.jobs.pop())
        if not self.jobs:
            self.rich.stop()


def _memory() -> float:
    from tesserec.experiment.environment import peak_memory

    return peak_memory() / 2**30


def _left(done: int, total: int, seconds: float) -> str:
    if not total or not done:
        return ""
    return f"  {seconds * (total - done) / done:.0f} s left"


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.4g}"
