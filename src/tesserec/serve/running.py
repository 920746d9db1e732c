"""Running: from the words of a command line to processes that serve."""

import json
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tesserec.core.errors import BadSpec, MissingExtra
from tesserec.serve.keeping import Keeper, Memory
from tesserec.serve.limits import Limits

SETTINGS = "TESSEREC_SERVE"  # where worker processes read what they are to serve
DATABASE = "tesserec.sqlite"  # where nobody says otherwise: in the folder one works in
SHARED = "PROMETHEUS_MULTIPROC_DIR"


class Serving(BaseModel):
    """What is served, where, and by how many processes."""

    model_config = ConfigDict(frozen=True)

    run: Path
    data: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    database: str = DATABASE
    workers: int = 1
    keys: Path | None = None
    limits: Limits = Limits()


def serve(serving: Serving, say: Callable[[str], None] = lambda line: None) -> None:
    """Serve until the process is told to stop; what was begun is finished.

    Raises `BadSpec` for an address that cannot be had, or that needs keys, and for workers that
    share nothing.
    """
    check_installed()
    import uvicorn

    from tesserec.serve.keys import Keys

    Keys.read(serving.keys).check_host(serving.host)
    if serving.workers > 1 and serving.database == "memory":
        raise BadSpec("Workers do not share their memory.", "Name a --database for their events.")
    with ExitStack() as stack:
        door = stack.enter_context(listening(serving.host, serving.port))
        address = door.getsockname()
        options: dict[str, Any] = {
            "access_log": False,
            "log_config": None,
            "server_header": False,
            "timeout_graceful_shutdown": serving.limits.stop_seconds,
            "workers": serving.workers,
        }
        say(f"serving {serving.run} on http://{_shown(address)}")
        if serving.workers == 1:
            _quietly(signal.SIGTERM, signal.SIGINT)
            config = uvicorn.Config(build(serving), **options)
            uvicorn.Server(config).run([door])
            return
        os.environ[SETTINGS] = serving.model_dump_json()
        # Workers that each use all processors would wait for one another.
        threads = max(1, (os.cpu_count() or 1) // serving.workers)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        os.environ[SHARED] = stack.enter_context(tempfile.TemporaryDirectory())
        from uvicorn.supervisors import Multiprocess

        config = uvicorn.Config(f"{__name__}:from_environment", factory=True, **options)
        Multiprocess(config, [door]).run()


def check_installed() -> None:
    """Raise `MissingExtra` without what a server is made of."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"{error.name} is not installed.", "Run: pip install 'tesserec[serve]'"
        ) from None


def build(serving: Serving) -> Any:
    """The application of one process."""
    import gc

    from tesserec.serve.app import application
    from tesserec.serve.keys import Keys
    from tesserec.serve.models import Models
    from tesserec.serve.service import Service

    keeper = keeper_of(serving.database)
    models = Models(serving.run, serving.data, keeper)
    service = Service(models, keeper, serving.limits, Keys.read(serving.keys))
    if models.active.people is None:
        service.log.say("no histories", why=models.active.why_not)
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it would stop everybody for a while
    return application(service)


def from_environment() -> Any:
    """The application of a worker, which is a process of its own."""
    return build(Serving.model_validate(json.loads(os.environ[SETTINGS])))


def keeper_of(database: str) -> Keeper:
    """The store that a URL names. Raises `BadSpec` for one there is not."""
    if database == "memory":
        return Memory()
    from tesserec.serve.stored import Stored

    return Stored(database)


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to an address. Raises `BadSpec` where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.create_server((host.strip("[]"), port), family=family, backlog=2048)
    except OSError as error:
        cause = f"{host}:{port} cannot be listened at: {error.strerror or error}."
        raise BadSpec(cause, "Choose another --host or --port.") from None
    found.set_inheritable(True)
    return found


def _shown(address: tuple[Any, ...]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}"


def _quietly(*signals: signal.Signals) -> None:
    """Uvicorn passes a signal on once all is finished: then it has been obeyed already."""
    for one in signals:
        signal.signal(one, lambda number, frame: None)
