"""A piece that is fetched alone is the one that is met when all are gone through."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tesserec.content.pieces import pieces
from tesserec.content.shelf import Shelf
from tesserec.core import Dataset
from tesserec.core.errors import NoContent
from toys.worlds import world

CONTENTS = {"i1": b"one", "i2": b"two", "i4": b"four"}


def shop(folder: Path) -> Dataset:
    return replace(world([("u", f"i{n}") for n in range(5)]), folder=folder)


def check(data: Dataset, column: str | None = None) -> None:
    shelf = Shelf.of(data, "image", column)
    all_ = {one.row: one.piece for one in pieces(data, "image", (column,) if column else ()).found}
    assert all_ == {1: b"one", 2: b"two", 4: b"four"}
    assert {row: shelf.piece(row) for row in shelf.places} == all_
    assert shelf.piece(0) is None


def test_in_files(tmp_path: Path) -> None:
    (tmp_path / "media" / "image").mkdir(parents=True)
    for item, content in CONTENTS.items():
        (tmp_path / "media" / "image" / f"{item}.png").write_bytes(content)
    data = shop(tmp_path)
    check(data)
    shelf = Shelf.of(data, "image")
    (tmp_path / "media" / "image" / "i1.png").unlink()
    assert shelf.piece(1) is None


def test_in_a_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    table = pl.DataFrame({"item": list(CONTENTS), "bytes": list(CONTENTS.values())})
    table.write_parquet(tmp_path / "media" / "image.parquet", row_group_size=2)
    check(shop(tmp_path))


def test_in_a_column_of_paths_but_not_on_the_web(tmp_path: Path) -> None:
    for item, content in CONTENTS.items():
        (tmp_path / f"{item}.png").write_bytes(content)
    data = shop(tmp_path)
    names = ["https://example.org/i0.png", "i1.png", "i2.png", None, "i4.png"]
    items = replace(data.catalog.items, features=pl.DataFrame({"file": names}))
    found = replace(data, catalog=replace(data.catalog, items=items))
    shelf = Shelf.of(found, "image", "file")
    assert {row: shelf.piece(row) for row in shelf.places} == {1: b"one", 2: b"two", 4: b"four"}
    assert Shelf.of(found, "image", "other").places == {}


def test_nowhere(tmp_path: Path) -> None:
    assert Shelf.of(shop(tmp_path), "image").places == {}
    (tmp_path / "media" / "image").mkdir(parents=True)
    with pytest.raises(NoContent):
        Shelf.of(shop(tmp_path), "image")
