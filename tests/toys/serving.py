"""Servers in a thread of this process, and models that wait until they may go on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import httpx
import uvicorn

from tesserec.core import Catalog, Dataset, Method, Recommendations, Recommender, Requests, Run
from tesserec.data.format import write
from tesserec.experiment.study import Study
from tesserec.recommenders import save
from tesserec.serve.app import application
from tesserec.serve.keeping import Memory, Version
from tesserec.serve.log import Log
from tesserec.serve.models import Models
from tesserec.serve.running import listening
from tesserec.serve.served import Served
from tesserec.serve.service import Service

PATIENCE = 120.0  # seconds until something that should happen is given up, on a busy machine, too


def until(happened: Callable[[], bool]) -> None:
    """Look again and again, until it has happened or patience ends."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        threading.Event().wait(0.005)


@contextmanager
def serving(service: Service) -> Iterator[httpx.Client]:
    """A client of a server that runs as long as the block."""
    door = listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application(service), log_config=None))
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    try:
        until(lambda: server.started)
        host, port = door.getsockname()
        limits = httpx.Limits(max_connections=200)
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=PATIENCE, limits=limits) as one:
            yield one
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def fitted(method: Method, data: Dataset, folder: Path) -> Path:
    """A run folder with this method's model and its data."""
    write(data, folder / "data")
    save(method.fit(data, Run()), folder / "model")
    Study(data=str(folder / "data"), method=method).write(folder / "study.toml")
    return folder


def service_of(run: Path, **more: object) -> Service:
    """A service of a run folder, with a store in memory and a log that can be read."""
    keeper = Memory()
    more = {"log": Log(StringIO()), **more}
    return Service(Models(run, None, keeper), keeper, **more)  # type: ignore[arg-type]


@dataclass
class Gate:
    """Answers like another recommender, but not before it is opened."""

    inner: Recommender
    begun: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)

    @property
    def catalog(self) -> Catalog:
        return self.inner.catalog

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        self.begun.set()
        assert self.open.wait(PATIENCE)
        self.batches.append(len(requests))
        return self.inner.recommend(requests, k)


class Still(Models):
    """One model that was not read from a folder."""

    def __init__(self, model: Recommender) -> None:
        self.keeper = Memory()
        version = Version("still-1", "")
        self.active = Served(version, model, "exclude", None, "There are no data.")
        self.previous = None
        self._swapping = threading.Lock()


def gated(model: Recommender, **more: object) -> tuple[Gate, Service]:
    """A service that answers nothing before its gate is opened."""
    gate = Gate(model)
    models = Still(gate)
    service = Service(models, models.keeper, **{"log": Log(StringIO()), **more})  # type: ignore[arg-type]
    return gate, service
