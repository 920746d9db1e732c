"""What every benchmark uses: sides in processes of their own, taken in turns, and their results."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

HERE = Path(__file__).parent
SIDES = HERE / "sides"
GIVEN = dict(os.environ)  # before tesserec says how idle threads wait: peers wait as they like


@dataclass(frozen=True)
class Result:
    """One number. `ratio` says how many times better than the peer in the same run."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    peer: str | None = None
    floor: float | None = None  # share of what the machine allows for the counted work


@dataclass(frozen=True)
class Peer:
    """Where a peer lives: its Python, and its checkout where it is no package."""

    python: str
    checkout: str = ""

    @classmethod
    def parse(cls, text: str) -> tuple[str, Self]:
        """`name=python` or `name=python:checkout`."""
        name, _, place = text.partition("=")
        python, _, checkout = place.partition(":")
        if not (SIDES / f"side_{name.replace('-', '_')}.py").is_file() or not python:
            known = sorted(p.stem.removeprefix("side_") for p in SIDES.glob("side_*.py"))
            raise SystemExit(f"--peer {text!r}: write name=PYTHON[:CHECKOUT]; names: {known}")
        return name, cls(python, checkout)


@dataclass(frozen=True)
class Options:
    """What the command line said."""

    data: Path | None
    peers: Mapping[str, Peer] = field(default_factory=dict)
    threads: int = 2
    rounds: int = 5
    limit: float = 300.0  # seconds, for benchmarks that run until they are stopped
    only: tuple[str, ...] = ()  # some of a benchmark's cases

    @classmethod
    def read(cls, arguments: Sequence[str] | None = None) -> tuple[Self, argparse.Namespace]:
        """From the command line; TESSEREC_DATA and TESSEREC_PEERS stand in for what is not said."""
        parser = argparse.ArgumentParser(description="Time tesserec, and peers that are installed.")
        parser.add_argument("names", nargs="*", help="benchmarks to run (default: the short ones)")
        parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON[:CHECKOUT]")
        parser.add_argument("--data", default=os.environ.get("TESSEREC_DATA"))
        parser.add_argument("--threads", type=int, default=2)
        parser.add_argument("--rounds", type=int, default=5, help="turns each side gets")
        parser.add_argument("--limit", type=float, default=300.0, help="seconds per curve")
        parser.add_argument("--only", action="append", default=[], help="a case of a benchmark")
        parser.add_argument("--out", type=Path, default=HERE / "latest.json")
        said = parser.parse_args(arguments)
        peers = [*os.environ.get("TESSEREC_PEERS", "").split(), *said.peer]
        data = Path(said.data) if said.data else None
        found = dict(Peer.parse(one) for one in peers)
        rest = (said.threads, said.rounds, said.limit, tuple(said.only))
        return cls(data, found, *rest), said

    def folder(self, name: str) -> Path:
        """A data set's folder. Raises `Skipped` where there is none."""
        if self.data is None or not (self.data / name).is_dir():
            raise Skipped(f"needs {name} in the folder that TESSEREC_DATA or --data names")
        return self.data / name


class Skipped(Exception):
    """Why a benchmark cannot run here."""


class Side:
    """A process that does the work of one side when it is asked to."""

    def __init__(self, name: str, peer: Peer, options: Options, folder: Path) -> None:
        self.name = name
        script = SIDES / f"side_{name.replace('-', '_')}.py"
        self.log = folder / f"{name}.log"
        environment = {
            **GIVEN,
            "OMP_NUM_THREADS": str(options.threads),
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), GIVEN.get("PYTHONPATH", "")]),
            "SIDE_CHECKOUT": peer.checkout,
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [peer.python, str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=environment,
            )
        self.peak_mb: float | None = None

    def ask(self, do: str, **facts: Any) -> dict[str, Any]:
        """What the side answers; its own trouble is ours."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"do": do, **facts}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        found = (
            json.loads(line) if line else {"error": f"it ended:\n{self.log.read_text()[-2000:]}"}
        )
        if "error" in found:
            raise RuntimeError(f"{self.name}: {do}: {found['error']}")
        self.peak_mb = found["peak_mb"]
        return dict(found)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Sides(ExitStack):
    """Our side and those peers of a list that are there, in a folder they share."""

    def __init__(self, options: Options, known: Iterable[str]) -> None:
        super().__init__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory()))
        self.ours = self._start("ours", Peer(sys.executable), options)
        there = [name for name in known if name in options.peers]
        self.peers = [self._start(name, options.peers[name], options) for name in there]

    @property
    def all(self) -> list[Side]:
        return [self.ours, *self.peers]

    def _start(self, name: str, peer: Peer, options: Options) -> Side:
        side = Side(name, peer, options, self.folder)
        self.callback(side.close)
        return side


def in_turns(sides: Sequence[Side], rounds: int, do: str, **facts: Any) -> dict[str, list[float]]:
    """Ask each side in turn (A B A B ...): all the times it reported."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            seconds[side.name] += side.ask(do, **facts)["seconds"]
    return seconds


def spread(values: Sequence[float]) -> str:
    """Median and range, as text."""
    return f"{median(values):.4g} ({min(values):.4g} to {max(values):.4g}, {len(values)} times)"


def against(
    name: str,
    unit: str,
    seconds: Mapping[str, Sequence[float]],
    units: float = 0.0,
    floor: float | None = None,
) -> list[Result]:
    """Our median beside each peer's, one result a peer; with `units` done a time, as a rate."""
    middle = {side: median(values) for side, values in seconds.items()}
    value = units / middle["ours"] if units else middle["ours"]
    for side, values in seconds.items():
        say(f"  {name} | {side}: {spread([units / v if units else v for v in values])} {unit}")
    peers = [side for side in middle if side != "ours"]
    if not peers:
        return [Result(name, value, unit, floor=floor)]
    ratios = {peer: middle[peer] / middle["ours"] for peer in peers}
    for peer, ratio in ratios.items():
        say(f"  {name} | {ratio:.1f} times better than {peer}")
    return [Result(name, value, unit, ratio, peer, floor) for peer, ratio in ratios.items()]


def say(line: str) -> None:
    """Progress, for people; results go into the file."""
    print(line, file=sys.stderr, flush=True)


def write(results: Sequence[Result], path: Path) -> None:
    """The list that `make bench` promises."""
    path.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
