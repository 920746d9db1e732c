import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core.errors import BadData, DamagedFile, TesserecError
from tesserec.data import format
from tesserec.data.importing import import_data
from toys.sources import tables
from toys.worlds import world


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    import_data(tables(tmp_path / "raw"), tmp_path / "shop")
    return tmp_path / "shop"


def test_a_folder_lies_as_the_documentation_says(shop: Path):
    files = {one.relative_to(shop).as_posix() for one in shop.rglob("*") if one.is_file()}
    assert files == {
        "dataset.json",
        "interactions.parquet",
        "items.parquet",
        "users.parquet",
        "vectors/items.image.npy",
        "relations/trust.parquet",
        "relations/image_knn10.parquet",
        "relations/item_colour.parquet",
        "relations/knowledge_items_items.parquet",
        "relations/knowledge_items_entities.parquet",
        "others/colours.parquet",
        "others/entities.parquet",
        "media/image.parquet",
    }


def test_files_hold_the_ids_of_the_user_and_no_row_numbers(shop: Path):
    events = pl.read_parquet(shop / "interactions.parquet")
    assert sorted(events["user"].unique()) == [1, 2, 3]
    assert pl.read_parquet(shop / "relations" / "trust.parquet").rows() == [(1, 2), (2, 9)]


def test_what_was_written_is_read_again(shop: Path, tmp_path: Path):
    data = format.read(shop)
    format.write(data, tmp_path / "again")
    again = format.read(tmp_path / "again")
    assert again.fingerprint == data.fingerprint
    assert again.name == data.name
    assert again.interactions.clock == data.interactions.clock
    for name, relation in data.catalog.relations.items():
        assert again.catalog.relations[name].frame.equals(relation.frame)
    for name, table in data.catalog.items.vectors.items():
        assert torch.equal(again.catalog.items.vectors[name], table)


def test_the_order_of_rows_in_the_files_is_irrelevant(shop: Path):
    before = format.read(shop).fingerprint
    for path in (shop / "interactions.parquet", *sorted((shop / "relations").iterdir())):
        pl.read_parquet(path).reverse().write_parquet(path)
    assert format.read(shop).fingerprint == before


def test_kinds_keep_their_order(tmp_path: Path):
    data = world([("u", 1), ("u", 2)], kind=["view", "buy"])
    format.write(data, tmp_path / "x")
    assert format.read(tmp_path / "x").interactions.kinds == ["buy", "view"]


def test_vectors_beside_other_items_are_refused(shop: Path):
    items = pl.read_parquet(shop / "items.parquet").with_columns(id=pl.col("id") + 1)
    items.write_parquet(shop / "items.parquet")
    with pytest.raises(BadData, match=r"items\.image\.npy was made for other items"):
        format.read(shop)


def test_vectors_of_another_shape_are_refused(shop: Path):
    np.save(shop / "vectors" / "items.image.npy", np.ones((3, 3), np.float32))
    with pytest.raises(BadData, match=r"items\.image\.npy was made for other items"):
        format.read(shop)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_named_with_their_file(tmp_path: Path, wrong: float):
    vectors = torch.ones(3, 2)
    data = world([("u", "a")], items=["a", "b", "c"], vectors={"text": vectors})
    format.write(data, tmp_path / "x")
    path = tmp_path / "x" / "vectors" / "items.text.npy"
    vectors[1, 1] = wrong
    np.save(path, vectors.numpy())
    with pytest.raises(BadData, match=r"items\.text\.npy: item 'b' has -?(NaN|inf) in column 2"):
        tr.read(tmp_path / "x")


def test_rows_that_are_noted_as_missing_may_hold_anything(tmp_path: Path):
    vectors, there = torch.ones(3, 2), torch.tensor([True, False, True])
    vectors[1] = torch.nan
    data = world([("u", 1)], items=[1, 2, 3]).with_vectors("text", vectors, there)
    format.write(data, tmp_path / "x")
    read = format.read(tmp_path / "x").catalog.items
    assert read.present("text").tolist() == there.tolist()


def test_another_version_is_refused(shop: Path):
    facts = json.loads((shop / "dataset.json").read_text())
    (shop / "dataset.json").write_text(json.dumps({**facts, "version": 99}))
    with pytest.raises(BadData, match="has format version 99"):
        format.read(shop)


@pytest.mark.parametrize("left", [0, 10, 100])
def test_a_file_that_is_cut_off_is_named(shop: Path, left: int):
    paths = [p for p in shop.rglob("*") if p.is_file() and p.parent.name != "media"]
    for path in paths:
        whole = path.read_bytes()
        path.write_bytes(whole[:left])
        with pytest.raises(TesserecError, match=path.name.replace(".", r"\.")):
            format.read(shop)
        path.write_bytes(whole)
    assert format.read(shop).name == "shop"


def test_a_file_that_is_gone_is_named(shop: Path):
    for name in ("items.parquet", "relations/trust.parquet", "vectors/items.image.npy"):
        whole = (shop / name).read_bytes()
        (shop / name).unlink()
        with pytest.raises(TesserecError, match=Path(name).name.replace(".", r"\.")):
            format.read(shop)
        (shop / name).write_bytes(whole)


def test_a_damaged_description_is_named(shop: Path):
    (shop / "dataset.json").write_text('{"version": 1,')
    with pytest.raises(DamagedFile, match=r"dataset\.json is damaged"):
        format.read(shop)


def test_a_description_without_what_it_should_say_is_named(shop: Path):
    (shop / "dataset.json").write_text('{"version": 1}')
    with pytest.raises(DamagedFile, match=r"dataset\.json"):
        tr.read(shop)


def test_events_that_are_gone_are_missed(shop: Path):
    (shop / "interactions.parquet").unlink()
    with pytest.raises(BadData, match=r"interactions\.parquet cannot be read"):
        format.read(shop)


def test_an_event_of_an_unknown_item_is_refused(shop: Path):
    events = pl.read_parquet(shop / "interactions.parquet")
    events.with_columns(item=pl.col("item") + 100).write_parquet(shop / "interactions.parquet")
    with pytest.raises(BadData, match="6 events are of unknown items"):
        format.read(shop)


def test_a_link_of_an_unknown_id_is_refused_by_file(shop: Path):
    links = pl.DataFrame({"head": [1], "tail": [77]})
    links.write_parquet(shop / "relations" / "trust.parquet")
    with pytest.raises(BadData, match=r"trust\.parquet: A relation names an id"):
        format.read(shop)


def test_an_item_that_is_there_twice_is_refused_by_file(shop: Path):
    pl.DataFrame({"id": [1, 1, 2, 3]}).write_parquet(shop / "users.parquet")
    with pytest.raises(BadData, match=r"users\.parquet holds 1 twice"):
        format.read(shop)
