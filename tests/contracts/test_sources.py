"""What every source must do. A new one needs an example in toys/sources.py."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import tesserec as tr
from tesserec.core import Dataset
from tesserec.core.registry import every
from tesserec.data import format
from tesserec.data.importing import import_data
from tesserec.data.sources import Source, source_of
from toys.sources import EVENTS, EXAMPLES

SOURCES = list(every(Source))
CASES = [
    pytest.param(name, make, id=f"{name}-{make.__name__}")
    for name, makes in EXAMPLES.items()
    for make in makes
]
Make = Callable[[Path], Path]


def happened(data: Dataset) -> list[tuple]:
    """The events by their raw ids."""
    frame, catalog = data.interactions.frame, data.catalog
    users = catalog.users.ids.gather(frame["user"]).to_list()
    items = catalog.items.ids.gather(frame["item"]).to_list()
    return sorted(zip(users, items, frame["time"], frame["split"], strict=True))


def test_every_source_has_an_example():
    assert {source.__name__ for source in SOURCES} == set(EXAMPLES)


@pytest.mark.parametrize(("name", "make"), CASES)
def test_an_example_is_recognised_by_its_source_alone(name: str, make: Make, tmp_path: Path):
    path = make(tmp_path)
    assert [kind.__name__ for kind in SOURCES if kind().recognises(path)] == [name]
    assert type(source_of(path)).__name__ == name


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_not_there_is_not_recognised(kind: type[Source], tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert not kind().recognises(tmp_path / "empty")
    assert not kind().recognises(tmp_path / "missing")
    assert not kind().recognises(tmp_path / "missing.csv")


@pytest.mark.parametrize(("name", "make"), CASES)
def test_the_events_come_with_their_ids_times_and_parts(name: str, make: Make, tmp_path: Path):
    data = tr.read(make(tmp_path))
    assert happened(data) == sorted(EVENTS)
    assert data.interactions.clock == "seconds"
    assert data.interactions.frame.schema["time"] == pl.Int64
    assert data.name == "shop"


@pytest.mark.parametrize(("name", "make"), CASES)
def test_what_is_imported_reads_back_the_same(name: str, make: Make, tmp_path: Path):
    path = make(tmp_path / "raw")
    report = import_data(path, tmp_path / "out")
    again = format.read(tmp_path / "out")
    assert report.kind == name
    assert again.fingerprint == report.fingerprint == tr.read(path).fingerprint
    assert tr.read(tmp_path / "out").fingerprint == report.fingerprint


@pytest.mark.parametrize(("name", "make"), CASES)
def test_a_source_survives_being_read_and_nothing_appears_beside_it(
    name: str, make: Make, tmp_path: Path
):
    path = make(tmp_path / "raw")
    before = {one: one.read_bytes() for one in (tmp_path / "raw").rglob("*") if one.is_file()}
    import_data(path, tmp_path / "out")
    after = {one: one.read_bytes() for one in (tmp_path / "raw").rglob("*") if one.is_file()}
    assert before == after
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "raw"]
