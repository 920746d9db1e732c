"""What happened in a run: one JSON object a line, and TensorBoard where it is asked for."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tesserec.core.errors import MissingExtra
from tesserec.core.files import room

NAME = "log.jsonl"


class Log:
    """Appends events to `log.jsonl`. Without a folder it keeps quiet."""

    def __init__(
        self, folder: Path | None, tensorboard: bool = False, resumed: bool = False
    ) -> None:
        self.path = None if folder is None else folder / NAME
        self._board = _board(folder) if tensorboard and folder is not None else None
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if resumed:
                _end_last_line(self.path)
            else:
                self.path.unlink(missing_ok=True)  # of another run in this folder

    def write(self, event: str, step: int, **facts: Any) -> None:
        """One event, on disk when this returns."""
        if self.path is None:
            return
        line = json.dumps({"event": event, "at": round(time.time(), 3), "step": step, **facts})
        with room(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        for name, value in facts.items():
            if self._board is not None and isinstance(value, int | float):
                self._board.add_scalar(f"{event}/{name}", value, step)

    def close(self) -> None:
        """Let TensorBoard write what it holds."""
        if self._board is not None:
            self._board.close()


@contextmanager
def logging(folder: Path | None, tensorboard: bool = False, resumed: bool = False) -> Iterator[Log]:
    """A log that is closed at the end, whatever happens; a new one unless the run is resumed."""
    log = Log(folder, tensorboard, resumed)
    try:
        yield log
    finally:
        log.close()


def read_log(folder: Path) -> list[Mapping[str, Any]]:
    """The events of a run: without a line cut off by a kill, and without epochs done again."""
    path = folder / NAME
    events: list[Mapping[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if event["event"] == "resumed":
            events = [one for one in events if one.get("epoch", 0) <= event["epoch"]]
        events.append(event)
    return events


def _end_last_line(path: Path) -> None:
    """A kill may have cut the last line; what comes next starts on its own."""
    if path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n"):
        with path.open("a") as file:
            file.write("\n")


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra(
            "TensorBoard is not installed.", "Run: pip install 'tesserec[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder / "tensorboard"))  # type: ignore[no-untyped-call]
