"""Promise 1: the best 20 of 100,000 items, asked for ten minutes as fast as they are answered.

The server is `tesserec serve` as it comes, with its database and its log, and wrk asks it; beside
the questions events arrive, 100,000 in ten minutes. At least 1,000 answers a second, p99 under
50 ms, and none that failed; and resident memory stays within 5 % of what it was after the first
tenth (promise 3). wrk is a package of Debian: apt-get install wrk.
"""

import argparse
import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.reliability.common import Load, Server, asked, finish, fitted, serving, workplace
from benchmarks.reliability.leak import MOST, TOGETHER, event_bodies

ITEMS, USERS, HISTORY, K = 100_000, 10_000, 20, 20
EVENTS = 100_000 / 600  # a second
RATE, SLOWEST = 1000.0, 50.0  # answers a second; milliseconds

QUESTIONS = """
local number = 0
wrk.method = "POST"
request = function()
  number = number + 1
  return wrk.format(nil, nil, nil, string.format('{"user":"user-%%d","k":%d}', number %% %d))
end
done = function(summary, latency, requests)
  local failed = summary.errors
  local told = '{"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, '
  io.write(string.format(
    '\\n' .. told .. '"longest": %%f, "failed": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--connections", type=int, default=32)
    said = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not there, which asks. Run: apt-get install wrk")
    with workplace() as folder:
        script = folder / "questions.lua"
        script.write_text(QUESTIONS % (K, USERS))
        run = fitted(folder, ITEMS, USERS, HISTORY)
        with serving(run, folder / "store.sqlite") as server:
            asyncio.run(_loaded(server, script, min(5, said.seconds), said.connections))
            told, kept, memory = asyncio.run(
                _loaded(server, script, said.seconds, said.connections)
            )
    rate = told["requests"] / told["seconds"]
    failed = told["failed"] + len(kept.statuses) - kept.count(200)
    growth = memory[-1] / memory[0] - 1
    finish(
        {
            "holds": rate >= RATE and told["p99"] < SLOWEST and not failed and growth < MOST,
            "requests": told["requests"],
            "rate": round(rate),
            "p50_ms": round(told["p50"], 1),
            "p99_ms": round(told["p99"], 1),
            "longest_ms": round(told["longest"], 1),
            "failed": failed,
            "events": TOGETHER * kept.count(200),
            "growth": round(growth, 4),
            "megabytes": [round(one / 2**20) for one in memory],
        }
    )


async def _loaded(
    server: Server, script: Path, seconds: int, connections: int
) -> tuple[dict[str, Any], Load, list[int]]:
    """What wrk counted, what came back for events, and memory after each tenth of the time."""
    rate = EVENTS / TOGETHER
    return await asyncio.gather(
        _by_wrk(server, script, seconds, connections),
        asked(server, event_bodies(), path="/v1/events", connections=1, seconds=seconds, rate=rate),
        _memory(server, seconds / 10),
    )


async def _by_wrk(server: Server, script: Path, seconds: int, connections: int) -> dict[str, Any]:
    words = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    process = await asyncio.create_subprocess_exec(
        "wrk", *words, f"{server.url}/v1/recommend", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return dict(json.loads(said.decode().splitlines()[-1]))


async def _memory(server: Server, pause: float) -> list[int]:
    found = []
    for _ in range(10):
        await asyncio.sleep(pause * 0.99)
        found.append(server.memory)
    return found


if __name__ == "__main__":
    main()
