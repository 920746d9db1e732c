"""Promise 1: the best 20 of 100,000 items, asked for ten minutes as fast as they are answered.

The server is `tesserec serve` as it comes, with its database and its log; beside the questions
events arrive, 100,000 in ten minutes. At least 1,000 answers a second, p99 under 50 ms, and none
failed; and resident memory stays within 5 % of what it was after the first tenth (promise 3).
"""

import argparse
import asyncio

from benchmarks.reliability.common import (
    Load,
    Server,
    asked,
    bodies,
    finish,
    fitted,
    serving,
    workplace,
)
from benchmarks.reliability.leak import MOST, TOGETHER, event_bodies

ITEMS, USERS, HISTORY, K = 100_000, 10_000, 20, 20
EVENTS = 100_000 / 600  # a second
RATE, SLOWEST = 1000.0, 0.050


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--connections", type=int, default=32)
    said = parser.parse_args()
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    with workplace() as folder:
        run = fitted(folder, ITEMS, USERS, HISTORY)
        with serving(run, folder / "store.sqlite") as server:
            asyncio.run(_loaded(server, min(5.0, said.seconds), said.connections))
            load, kept, memory = asyncio.run(_loaded(server, said.seconds, said.connections))
    rate, p99 = len(load.times) / said.seconds, load.percentile(99)
    failed = len(load.statuses) - load.count(200) + len(kept.statuses) - kept.count(200)
    growth = memory[-1] / memory[0] - 1
    finish(
        {
            "holds": rate >= RATE and p99 < SLOWEST and not failed and growth < MOST,
            "requests": len(load.times),
            "rate": round(rate),
            "p50_ms": round(1e3 * load.percentile(50), 1),
            "p99_ms": round(1e3 * p99, 1),
            "longest_ms": round(1e3 * max(load.times), 1),
            "failed": failed,
            "events": TOGETHER * kept.count(200),
            "growth": round(growth, 4),
            "megabytes": [round(one / 2**20) for one in memory],
        }
    )


async def _loaded(server: Server, seconds: float, connections: int) -> tuple[Load, Load, list[int]]:
    """What came back for questions and events, and memory after each tenth of the time."""
    return await asyncio.gather(
        asked(server, bodies(USERS, K), connections=connections, seconds=seconds),
        asked(
            server,
            event_bodies(),
            path="/v1/events",
            connections=1,
            seconds=seconds,
            rate=EVENTS / TOGETHER,
        ),
        _memory(server, seconds / 10),
    )


async def _memory(server: Server, pause: float) -> list[int]:
    found = []
    for _ in range(10):
        await asyncio.sleep(pause * 0.99)
        found.append(server.memory)
    return found


if __name__ == "__main__":
    main()
