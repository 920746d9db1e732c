"""Promise 3: requests and events leave a server's resident memory within 5 % of what it was warm.

A part of the requests is sent first, as is a part of the events: caches fill, and memory that is
used again and again is there. The rest must not add to it. With `--report` all that is shown is
noted, too, as it is while traffic is split.
"""

import argparse
from collections.abc import Iterator

from benchmarks.reliability.common import (
    Server,
    ask,
    bodies,
    finish,
    fitted,
    serving,
    workplace,
)

USERS, ITEMS = 20_000, 5_000
TOGETHER = 20  # events of one request
MOST = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--warm", type=float, default=0.05, help="share that is sent before")
    parser.add_argument("--rounds", type=int, default=10, help="between which memory is looked at")
    parser.add_argument("--report", action="store_true", help="note what is shown")
    said = parser.parse_args()
    with workplace() as folder:
        run = fitted(folder, ITEMS, USERS)
        with serving(run, folder / "store.sqlite") as server:
            if said.report:
                version = server.post("/v1/recommend", user="user-0").json()["model"]
                assert server.post("/v1/models/split", weights={version: 1}).status_code == 200
            sent, events = bodies(USERS), event_bodies()
            _part(
                server, sent, events, int(said.warm * said.requests), int(said.warm * said.events)
            )
            before = [server.memory]
            each = said.requests // said.rounds, said.events // said.rounds
            for _ in range(said.rounds):
                _part(server, sent, events, *each)
                before.append(server.memory)
        growth = before[-1] / before[0] - 1
        megabytes = [round(one / 2**20, 1) for one in before]
        finish({"holds": growth < MOST, "growth": round(growth, 4), "megabytes": megabytes})


def _part(
    server: Server, sent: Iterator[bytes], events: Iterator[bytes], requests: int, count: int
) -> None:
    """So many requests, then so many events."""
    load = ask(server, sent, requests=requests)
    kept = ask(server, events, path="/v1/events", connections=8, requests=count // TOGETHER)
    wrong = set(load.statuses + kept.statuses) - {200}
    if wrong:
        raise RuntimeError(f"answers of status {wrong}")


def event_bodies() -> Iterator[bytes]:
    """Bodies of so many events each, no two the same."""
    number = 0
    while True:
        some = ",".join(
            f'{{"id":"e{n}","user":"user-{n * 7919 % USERS}","item":"item-{n * 31 % ITEMS}"}}'
            for n in range(number, number + TOGETHER)
        )
        yield f'{{"events":[{some}]}}'.encode()
        number += TOGETHER


if __name__ == "__main__":
    main()
