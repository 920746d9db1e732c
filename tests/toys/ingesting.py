"""Send events to a store from several threads, killing the process again and again (promise 6).

Run as a script: `ingesting.py URL FOLDER KILLS SEED`. Each process is a forked child, so that a
kill costs no new start of Python; the parent opens no database and starts no threads. A client
writes down what was acknowledged in a file of its own, and after a kill it sends the last events
again, as it cannot know whether they arrived.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from threading import Thread

from tesserec.serve.store import Event, Store

CLIENTS = 6
PATIENCE_SECONDS = 60


def event(client: int, number: int) -> Event:
    return Event(f"{client}-{number}", f"user-{client}", f"item-{number % 7}", number)


def acknowledged(folder: Path, client: int) -> list[int]:
    """The numbers that a client wrote down; so short a write is whole, or not there."""
    path = folder / f"client-{client}"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def send(store: Store, folder: Path, client: int, seed: int) -> None:
    """Go on from the last acknowledged event, one to four at a time, until killed."""
    draw = random.Random(seed * CLIENTS + client)
    done = acknowledged(folder, client)
    next_one = max(done, default=-1) + 1
    with (folder / f"client-{client}").open("a") as file:
        while True:
            numbers = range(next_one, next_one + draw.randint(1, 4))
            store.add([event(client, number) for number in numbers])
            file.write("".join(f"{number}\n" for number in numbers))
            file.flush()
            next_one = numbers[-1] + 1


def ingest(url: str, folder: Path, seed: int) -> None:
    store = Store(url)
    clients = [Thread(target=send, args=(store, folder, client, seed)) for client in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()


def written(folder: Path) -> int:
    """How many bytes all clients have written down."""
    return sum(path.stat().st_size for path in folder.glob("client-*"))


def wait(folder: Path, draw: random.Random, is_young: bool) -> None:
    """Until a random moment: young processes are opening the database, others in full work."""
    if is_young:
        time.sleep(draw.uniform(0.0, 0.15))
        return
    enough = written(folder) + draw.randint(20, 600)
    latest = time.monotonic() + PATIENCE_SECONDS
    while written(folder) < enough and time.monotonic() < latest:
        time.sleep(0.001)
    time.sleep(draw.uniform(0.0, 0.01))


def main(url: str, folder: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    for number in range(kills):
        child = os.fork()
        if not child:
            ingest(url, folder, number)
            os._exit(1)  # a client that ends has failed
        wait(folder, draw, is_young=number < 4)
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            raise SystemExit(f"the process ended with {code} before it was killed")
    sent = {client: acknowledged(folder, client) for client in range(CLIENTS)}
    print(json.dumps({"acknowledged": sent}))


if __name__ == "__main__":
    place, where, count, chance = sys.argv[1:]
    main(place, Path(where), int(count), int(chance))
