"""From the words of a command line to an application."""

import os
from pathlib import Path

import pytest

from tesserec.core.errors import BadSpec
from tesserec.methods.collaborative.popular import Popular
from tesserec.serve import running
from tesserec.serve.limits import Limits
from tesserec.serve.meters import SHARED
from tesserec.serve.running import SETTINGS, Serving
from toys.serving import fitted
from toys.worlds import world


def test_a_worker_reads_what_it_serves_from_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fitted(Popular(), world([("a", 1), ("b", 1), ("b", 2)]), tmp_path / "run")
    keys = tmp_path / "keys.json"
    keys.write_text('{"read": "%s"}' % ("r" * 20))
    said = Serving(run=run, keys=keys, limits=Limits(k=7), database="memory")
    monkeypatch.setenv(SETTINGS, said.model_dump_json())
    app = running.from_environment()
    assert app.openapi()["components"]["schemas"]["Recommend"]["properties"]["k"]["maximum"] == 7
    assert app.openapi()["security"]


@pytest.mark.parametrize(("workers", "threads"), [(2, "3"), (8, "1")])
def test_workers_share_the_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, threads: str
) -> None:
    told = []

    class Workers:
        def __init__(self, config: object, doors: object) -> None:
            told.append(os.environ["OMP_NUM_THREADS"])

        def run(self) -> None:
            """Nobody is served."""

    monkeypatch.setattr("uvicorn.supervisors.Multiprocess", Workers)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    for name in ("OMP_NUM_THREADS", SETTINGS, SHARED):  # put back as they were afterwards
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    database = f"sqlite:///{tmp_path / 'events.db'}"
    running.serve(Serving(run=tmp_path, port=0, workers=workers, database=database))
    assert told == [threads]


def test_an_address_that_is_taken_is_said() -> None:
    with running.listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadSpec, match=str(port)):
            running.listening("127.0.0.1", port)


def test_the_example_of_each_body_can_be_read() -> None:
    import json

    from tesserec.serve.asked import EXAMPLES
    from tesserec.serve.questions import read

    for body, examples in EXAMPLES.items():
        for example in examples.values():
            assert read(body, json.dumps(example).encode(), Limits())
