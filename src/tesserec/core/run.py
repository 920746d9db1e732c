"""Run: where, with which seed, into which folder. Never what."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch

from tesserec.core.progress import Progress, Silent
from tesserec.core.request import Holdout

Precision = Literal["float32", "bfloat16", "float16", "auto"]


@dataclass(frozen=True)
class Run:
    """Where and how fast a method learns. The seed is varied, not chosen, so it is here."""

    seed: int = 0
    folder: Path | None = None  # nothing is written without one
    valid: Holdout | None = None  # decides when to stop; only `evaluate` looks at its truth
    device: str = "auto"  # "cpu", "cuda:0", ... or the best there is
    precision: Precision = "auto"  # "auto": bfloat16 on a GPU that has it, else float32
    compile: bool = False  # torch.compile around the loss
    resume: bool = False  # go on from the newest whole checkpoint in the folder
    checkpoint_minutes: float = 10.0  # at most this much work is lost at a kill; 0: every step
    tensorboard: bool = False  # event files beside log.jsonl
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    progress: Progress = field(default_factory=Silent, compare=False, repr=False)
    name: str = ""  # the stage, "" for the run itself

    def stage(self, name: str) -> "Run":
        """A part of this run with a folder, a log and random numbers of its own."""
        folder = None if self.folder is None else self.folder / name
        return replace(self, folder=folder, name=f"{self.name}/{name}" if self.name else name)

    def generator(self, name: str) -> torch.Generator:
        """Random numbers with an owner: same seed, stage and name, same numbers."""
        return torch.Generator().manual_seed(self._number(name))

    @contextmanager
    def seeded(self, name: str) -> Iterator[None]:
        """The global generator seeded for initialisers and dropout, and put back afterwards."""
        with torch.random.fork_rng():
            torch.manual_seed(self._number(name))
            yield

    def _number(self, name: str) -> int:
        text = f"{self.seed}/{self.name}/{name}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1
