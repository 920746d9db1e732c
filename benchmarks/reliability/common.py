"""A real `tesserec serve` in a process of its own, and clients that keep connections open."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

PATIENCE = 180.0  # seconds for a server to be ready


@dataclass(frozen=True)
class Server:
    """A server that runs, and what is known of it."""

    url: str
    pid: int
    log: Path

    @property
    def memory(self) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return 1024 * int(line.split()[1])
        raise RuntimeError(f"the server ended:\n{self.log.read_text()[-2000:]}")

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Ask once."""
        return httpx.post(self.url + path, json=body, timeout=PATIENCE)


@dataclass
class Load:
    """What came back, and when."""

    statuses: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # seconds from sending to the answer
    without_retry: int = 0  # refused, and not told when to come back

    def count(self, *statuses: int) -> int:
        return sum(status in statuses for status in self.statuses)

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.times, share)) if self.times else float("nan")


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def fitted(folder: Path, items: int, users: int, each: int = 10) -> Path:
    """A run folder: random vectors of items, random histories of users."""
    import polars as pl

    import tesserec as tr
    from tesserec.data.format import write
    from tesserec.experiment.study import Study

    draw = np.random.default_rng(0)
    table = {
        "user": [f"user-{n}" for n in np.repeat(np.arange(users), each)],
        "item": [f"item-{n}" for n in draw.integers(0, items, users * each)],
        "time": np.tile(np.arange(each), users),
    }
    data = tr.read_frame(pl.DataFrame(table))
    write(data, folder / "data")
    method = tr.ALS(dim=64, epochs=1)
    tr.save(method.fit(data, tr.Run()), folder / "run" / "model")
    Study(data=str(folder / "data"), method=method).write(folder / "run" / "study.toml")
    return folder / "run"


@contextmanager
def serving(run: Path, database: Path, *options: str) -> Iterator[Server]:
    """A server of a run folder."""
    log = run / "log"
    words = ["serve", str(run), "--port", "0", "--database", str(database), *options]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tesserec", *words],
            stderr=stream,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        yield Server(_ready(process, log), process.pid, log)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address, once requests may be sent there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        words = log.read_text().partition("\n")[0].split()
        if words and words[0] == "serving" and words[-1].startswith("http"):
            try:
                if httpx.get(f"{words[-1]}/health/ready").status_code == 200:
                    return words[-1]
            except httpx.TransportError:
                pass
        time.sleep(0.05)
    raise RuntimeError(f"no server:\n{log.read_text()[-2000:]}")


def bodies(users: int, k: int = 10) -> Iterator[bytes]:
    """Questions of users, one after the other."""
    number = 0
    while True:
        yield b'{"user":"user-%d","k":%d}' % (number % users, k)
        number += 1


def ask(server: Server, sent: Iterator[bytes], **how: Any) -> Load:
    """What `asked` does, and nothing beside it."""
    return asyncio.run(asked(server, sent, **how))


async def asked(
    server: Server,
    sent: Iterator[bytes],
    *,
    path: str = "/v1/recommend",
    connections: int = 16,
    requests: int | None = None,
    seconds: float = float("inf"),
    rate: float | None = None,
) -> Load:
    """Ask until so many requests or seconds are over: at once, or so many a second."""
    load = Load()
    left = [float("inf") if requests is None else requests]
    end = time.perf_counter() + seconds
    pause = 0.0 if rate is None else connections / rate

    async def one(number: int) -> None:
        address = urlsplit(server.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        due = time.perf_counter() + pause * number / connections
        while left[0] > 0:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if time.perf_counter() >= end:
                break
            left[0] -= 1
            due += pause
            await _once(reader, writer, path, next(sent), load)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return load


async def _once(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    body: bytes,
    load: Load,
) -> None:
    began = time.perf_counter()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    said = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(said.split(b"content-length:")[1].split(b"\r\n")[0]))
    load.times.append(time.perf_counter() - began)
    status = int(said.split(b" ")[1])
    load.statuses.append(status)
    load.without_retry += status in (429, 503) and b"retry-after:" not in said


def finish(told: dict[str, Any]) -> None:
    """Print what was found; the exit code says whether the promise holds."""
    print(json.dumps(told))
    sys.exit(0 if told["holds"] else 1)
