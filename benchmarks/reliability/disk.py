"""Promise 8: on a full disk events are refused with path and bytes, and questions are answered.

FOLDER lies on a small file system, which is filled with events:
    mount -t tmpfs -o size=4m none FOLDER
When there is room again, events are kept again.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import httpx

from benchmarks.reliability.common import Server, finish, fitted, serving, workplace

USERS, ITEMS = 200, 100
TOGETHER = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    said = parser.parse_args()
    database, filler = said.folder / "store.sqlite", said.folder / "filler"
    filler.write_bytes(bytes(200_000))  # taken away later, so that there is room again
    with workplace() as folder:
        run = fitted(folder, ITEMS, USERS)
        with serving(run, database) as server:
            kept, refused = _filled(server)
            told = refused.json()
            answers = [server.post("/v1/recommend", user=f"user-{n}") for n in range(50)]
            found = {
                "kept": kept,
                "status": refused.status_code,
                "detail": told["detail"],
                "named": str(database) in told["detail"],
                "bytes": bool(re.search(r"\d+ bytes", told["detail"])),
                "answered": sum(one.status_code == 200 for one in answers),
                "ready": httpx.get(f"{server.url}/health/ready").status_code == 200,
            }
            filler.unlink()
            found["kept_again"] = _send(server, kept).status_code == 200
        with serving(run, database) as server:
            found["there"] = _there(database, kept)
    found["holds"] = bool(
        found["status"] == 507
        and found["named"]
        and found["bytes"]
        and found["answered"] == 50
        and found["ready"]
        and found["kept_again"]
        and found["there"]
    )
    finish(found)


def _filled(server: Server) -> tuple[int, httpx.Response]:
    """How many events were acknowledged, and what the first one that was not was told."""
    sent = 0
    while (answer := _send(server, sent)).status_code == 200:
        sent += TOGETHER
    return sent, answer


def _send(server: Server, start: int) -> httpx.Response:
    numbers = range(start, start + TOGETHER)
    return server.post("/v1/events", events=[_event(number) for number in numbers])


def _event(number: int) -> dict[str, Any]:
    item = f"item-{number % ITEMS}"
    return {"id": f"event-{number}", "user": f"user-{number % USERS}", "item": item, "time": number}


def _there(database: Path, kept: int) -> bool:
    """Whether every acknowledged event is, once; those that came later may be, too."""
    from tesserec.serve.store import Store

    store = Store(str(database))
    histories = store.histories([f"user-{n}" for n in range(USERS)])
    store.close()
    ids = [event.id for events in histories for event in events]
    return len(ids) == len(set(ids)) and {f"event-{n}" for n in range(kept)} <= set(ids)


if __name__ == "__main__":
    main()
