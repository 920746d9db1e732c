"""A process that ingests is killed at random points: nothing acknowledged is lost (promise 6)."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tesserec.serve.store import Store
from toys import ingesting


def test_every_acknowledged_event_is_there_once_after_every_kill(
    database_url: str, tmp_path: Path
) -> None:
    words = [database_url, str(tmp_path), "12", "4"]
    told = subprocess.run(
        [sys.executable, ingesting.__file__, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    sent = json.loads(told)["acknowledged"]
    store = Store(database_url)
    kept = store.histories([f"user-{client}" for client in range(ingesting.CLIENTS)])
    store.close()
    assert sum(map(len, sent.values())) > 100
    for client, events in enumerate(kept):
        numbers = [event.time for event in events]
        assert events == [ingesting.event(client, number) for number in numbers]
        # In the order of sending and without a gap, so each once.
        assert numbers == list(range(len(numbers)))
        # The last ones may have arrived without the client hearing of it.
        assert 0 <= len(numbers) - len(sent[str(client)]) <= 4
