"""Requests a second and their times: the best 20 of 100,000 items, d = 64, one worker.

A server of random vectors runs in a process of its own, and so does the client, which holds some
connections open and asks again on each as soon as it is answered. `bare` is a FastAPI route that
answers with two bytes, in the same run: what the web framework leaves to anybody. The users are
known, and have a history of 20 items, which are not answered. `generate` is a server of TIGER,
which writes the semantic ids of 12,000 items; `decoding` says how fast one call per person is.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Options, Result, say

ITEMS, USERS, DIM, K, HISTORY = 100_000, 10_000, 64, 20, 20
IDS = 12_000  # items of the model that writes semantic ids
CONNECTIONS = 32
WARM, SECONDS = 2.0, 5.0
BARE = 4000.0  # where a bare route is slower than this, a quarter of it is the aim
CASES = ("bare", "recommend", "generate")


def run(options: Options) -> list[Result]:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for name in CASES:
                results[name].append(_round(name, Path(folder), options))
    return _told(results)


def _told(results: dict[str, list[dict[str, float]]]) -> list[Result]:
    found = []
    rate = {}
    for name, rounds in results.items():
        rate[name] = median(one["rate"] for one in rounds)
        for what, unit in (("p50", "ms"), ("p99", "ms"), ("failed", "requests")):
            value = median(one[what] for one in rounds)
            found.append(Result(f"serving_{name}_{what}", value, unit))
        said = ", ".join(f"{one['rate']:.0f}" for one in rounds)
        say(f"  serving_{name}: {rate[name]:.0f} requests/s ({said})")
    for one in found:
        say(f"  {one.name}: {one.value:.3g} {one.unit}")
    aim = min(1000.0, rate["bare"] / 4)
    say(f"  the aim beside this bare route: {aim:.0f} requests/s")
    found.append(Result("serving_bare", rate["bare"], "requests/s"))
    for name in CASES[1:]:
        share = rate[name] / rate["bare"]
        found.append(Result(f"serving_{name}", rate[name], "requests/s", share, "bare"))
    return found


def _round(name: str, folder: Path, options: Options) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    command = [sys.executable, "-m", "benchmarks.serving"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "serve", name],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"the server ended:\n{(folder / 'log').read_text()[-2000:]}")
            asked = subprocess.run(
                [*command, "ask", name, "--port", port], capture_output=True, text=True, check=True
            )
        finally:
            server.terminate()
            server.wait()
    return dict(json.loads(asked.stdout))


def serve(name: str) -> None:
    """Be the server, and say which port was free."""
    import uvicorn

    from tesserec.serve.running import listening

    door = listening("127.0.0.1", 0)
    models = {"recommend": (_drawn, ITEMS), "generate": (_generating, IDS)}
    app = _bare() if name == "bare" else _application(*models[name])
    print(door.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([door])


def _bare() -> Any:
    from fastapi import FastAPI, Response

    app = FastAPI()

    @app.post("/v1/recommend")
    async def bare() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


def _drawn(items: int) -> Any:
    """Inner products of vectors at random."""
    import torch
    from torch import nn

    from tesserec.recommenders import LookupRecommender

    class Drawn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = [torch.randn(count, DIM) for count in (USERS, items)]

        def vectors(self) -> list[torch.Tensor]:
            return self.tables

    return LookupRecommender(Drawn(), _catalog(items))


def _generating(items: int) -> Any:
    """TIGER of the paper's size with weights at random, four levels of 256 codes, 20 beams."""
    import torch

    from tesserec.core import Codes, Dataset, Interactions
    from tesserec.methods.generative.tiger import IDS, TIGER
    from tesserec.parts.semantic_ids.given import Given

    numbers = torch.from_numpy(np.random.default_rng(0).choice(256**4, items, replace=False))
    table = torch.stack([numbers // 256**place % 256 for place in (3, 2, 1, 0)], 1)
    nobody = pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64})
    data = Dataset(_catalog(items), Interactions(nobody)).with_codes(IDS, Codes(table, (256,) * 4))
    method = TIGER(ids=Given())
    return method.answer(method.network(data).eval(), data.catalog)


def _application(make: Callable[[int], Any], items: int) -> Any:
    """A server of a model, to users with histories at random."""
    import torch

    from tesserec.core import Histories, Ragged
    from tesserec.serve.app import application
    from tesserec.serve.keeping import Memory, Version
    from tesserec.serve.models import Models, prepared
    from tesserec.serve.people import People
    from tesserec.serve.served import Served
    from tesserec.serve.service import Service

    class Still(Models):
        def __init__(self, served: Served) -> None:
            self.active, self.previous = prepared(served), None
            self.keeper = Memory()

        def follow(self) -> bool:
            return False

    torch.manual_seed(0)
    chosen = torch.randint(items, (USERS * HISTORY,))
    histories = Histories(Ragged.packed(chosen, torch.full((USERS,), HISTORY)))
    rows = {f"user-{n}": n for n in range(USERS)}
    people = People(rows, histories, "none", {}, np.arange(USERS))
    models = Still(Served(Version("drawn-1", ""), make(items), "exclude", people))
    return application(Service(models, models.keeper))


def _catalog(items: int) -> Any:
    from tesserec.core import Catalog, Entities

    titles = pl.Series("title", [f"The item with the number {n}" for n in range(items)])
    ids = pl.Series("id", [f"item-{n}" for n in range(items)])
    users = pl.Series("id", [f"user-{n}" for n in range(USERS)])
    return Catalog(Entities(ids, pl.DataFrame([titles])), Entities(users))


def ask(name: str, port: int, connections: int) -> None:
    """Be the client: rate, times and failures as JSON."""
    print(json.dumps(asyncio.run(_asked(port, connections))))


async def _asked(port: int, connections: int) -> dict[str, float]:
    times: list[float] = []
    began = time.perf_counter()
    first, last = began + WARM, began + WARM + SECONDS
    loads = [_connection(port, one, first, last, times) for one in range(connections)]
    failed = sum(await asyncio.gather(*loads))
    milliseconds = 1e3 * np.array(times)
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"rate": len(times) / SECONDS, "p50": p50, "p99": p99, "failed": failed}


async def _connection(port: int, seed: int, first: float, last: float, times: list[float]) -> int:
    """Ask, wait for the answer, ask again; how many were not answered with 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    draw, failed = np.random.default_rng(seed), 0
    while (began := time.perf_counter()) < last:
        body = b'{"user":"user-%d","k":%d}' % (draw.integers(USERS), K)
        head = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        failed += not head.startswith(b"HTTP/1.1 200")
        if began >= first:
            times.append(time.perf_counter() - began)
    writer.close()
    return failed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("do", choices=["serve", "ask"])
    parser.add_argument("name", choices=CASES)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    said = parser.parse_args()
    if said.do == "serve":
        serve(said.name)
    else:
        ask(said.name, said.port, said.connections)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    main()
