"""Fixtures that several folders of tests share."""

import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from tesserec.core import Dataset, parallel
from toys import postgres
from toys.worlds import world

# The same examples each time: a test that fails on one machine fails on all. Search for new ones
# with --hypothesis-profile=search.
settings.register_profile(
    "tesserec",
    deadline=None,
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("search", settings.get_profile("tesserec"), max_examples=300)
settings.register_profile(
    "search", settings.get_profile("search"), derandomize=False, print_blob=True
)
settings.load_profile("tesserec")


@pytest.fixture
def two_tastes() -> Dataset:
    """Eight people and eight items: even people choose even items, odd ones odd items.

    Everybody leaves out one item of their taste: person u does not know item u.
    """
    events = [
        (f"u{user}", f"i{item}", 10 * place + user)
        for user in range(8)
        for place, item in enumerate(i for i in range(8) if i % 2 == user % 2 and i != user)
    ]
    return world(events)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Kernels with one thread and with two, however little there is to do."""
    monkeypatch.setattr(parallel, "SMALL", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where we may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    tried = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False)
    if not tried or tried.returncode:
        pytest.skip("no right to mount a small file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[Callable[[], str]]:
    """Makes an empty PostgreSQL database and returns its URL; skips where there is no server."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip(postgres.NOT_HERE)
    psycopg = pytest.importorskip("psycopg")
    numbers = itertools.count()
    with postgres.server(programs) as url:

        def make() -> str:
            name = f"test_{next(numbers)}"
            with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return url.format(name)

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that a store can be in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("new_postgres")()
    return url
