"""Files of semantic ids: what is read, what is refused, and that folders keep them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core import Codes
from tesserec.core.errors import BadData, BadRequest
from tesserec.data.describe import describe
from tesserec.data.intake.codes import CODES, codebook_files, read_codes, write_codes
from toys.worlds import world

ITEMS = ["a", "b", "c"]


def shop() -> tr.Dataset:
    return world([("ann", "a", 1), ("bob", "b", 2), ("ann", "c", 3)], items=ITEMS)


def file(tmp_path: Path, columns: Mapping[str, object], ids: object = ITEMS) -> Path:
    path = tmp_path / CODES
    pl.DataFrame({"item_id": ids, **columns}).write_parquet(path)
    return path


def test_lists_are_tables_and_sizes_what_the_tokens_need(tmp_path: Path) -> None:
    path = file(tmp_path, {"mine": [[0, 4], [2, 0], [1, 1]]}, ["c", "a", "b"])
    codes = read_codes(path).of(shop().catalog.items)["mine"]
    assert codes.table.tolist() == [[2, 0], [1, 1], [0, 4]]
    assert codes.sizes == (3, 5)


def test_texts_with_one_number_are_tokens(tmp_path: Path) -> None:
    path = file(tmp_path, {"letter": [["<a_3>", "<b_70>"], ["<a_0>", "<b_1>"], ["<a_1>", "<b_2>"]]})
    codes = read_codes(path).of(shop().catalog.items)["letter"]
    assert codes.table.tolist() == [[3, 70], [0, 1], [1, 2]]


def test_what_is_written_is_read_with_its_sizes_and_codebooks(tmp_path: Path) -> None:
    sets = {
        "one": Codes(torch.tensor([[0, 1], [2, 3], [1, 1]]), (256, 64)),
        "two": Codes(torch.tensor([[5], [6], [7]]), (8,)),
    }
    write_codes(tmp_path / CODES, shop().catalog.items.ids, sets, {"one": "abc"})
    again = read_codes(tmp_path / CODES)
    for name, codes in again.of(shop().catalog.items).items():
        assert codes.sizes == sets[name].sizes
        assert torch.equal(codes.table, sets[name].table)
    assert again.codebooks == {"one": "abc"}


@pytest.mark.parametrize("name", ["item", "Item", "item_id", "itemId", "ITEM-ID"])
def test_no_set_is_called_as_the_column_of_items_is(tmp_path: Path, name: str) -> None:
    sets = {name: Codes(torch.tensor([[0], [1], [2]]), (3,))}
    with pytest.raises(BadRequest, match=name):
        write_codes(tmp_path / CODES, shop().catalog.items.ids, sets, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["id", "items", "product_id", "sku", "iid", "a.b"])
def test_other_names_are_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    sets = {name: Codes(torch.tensor([[0], [1], [2]]), (3,))}
    write_codes(tmp_path / CODES, shop().catalog.items.ids, sets, {})
    assert list(read_codes(tmp_path / CODES).of(shop().catalog.items)) == [name]


@pytest.mark.parametrize(
    ("columns", "ids", "words"),
    [
        ({"x": [[1], [2], [3]]}, ["a", "b", "z"], "items there are not: 1 (z)"),
        ({"x": [[1], [2]]}, ["a", "b"], "no codes for items: 1 (c)"),
        ({"x": [[1], [2], [3]]}, ["a", "b", "b"], "several rows of items: 1 (b)"),
        ({"x": [[1], [-2], [3]]}, ITEMS, "negative tokens for items: 1 (b)"),
        ({"x": [["<a_1>"], ["<a_-2>"], ["<a_3>"]]}, ITEMS, "negative tokens for items: 1 (b)"),
        ({"x": [[1, 1], [2], [3, 3]]}, ITEMS, "some items have 1 tokens, some 2"),
        ({"x": [[1], None, [3]]}, ITEMS, "no tokens for items: 1 (b)"),
        ({"x": [[1], [None], [3]]}, ITEMS, "no numbers for items: 1 (b)"),
        ({"x": [["1"], ["red"], ["3"]]}, ITEMS, "no numbers for items: 1 (b)"),
        ({"x": [["1"], ["2"], ["1 or 2"]]}, ITEMS, "no numbers for items: 1 (c)"),
        ({"x": [1, 2, 3]}, ITEMS, "not lists of tokens"),
        ({"x": [[0.5], [1.0], [2.0]]}, ITEMS, "not lists of tokens"),
    ],
)
def test_bad_files_say_what_is_wrong(
    tmp_path: Path, columns: dict[str, object], ids: list[str], words: str
) -> None:
    path = file(tmp_path, columns, ids)
    with pytest.raises(BadData) as caught:
        read_codes(path).of(shop().catalog.items)
    assert words in caught.value.cause
    assert "semantic_ids.parquet" in caught.value.cause


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / CODES).write_bytes(b"not parquet")
    with pytest.raises(BadData, match=r"semantic_ids\.parquet"):
        read_codes(tmp_path / CODES)


def test_a_file_whose_metadata_disagree_is_refused(tmp_path: Path) -> None:
    codes = Codes(torch.tensor([[0], [1], [2]]), (3,))
    with pytest.raises(BadData):
        replace(codes, sizes=(2,))
    write_codes(tmp_path / CODES, pl.Series(ITEMS), {"x": codes}, {})
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / CODES)
    about = {b"tesserec": b'{"x": {"sizes": [2]}}'}
    parquet.write_table(table.replace_schema_metadata(about), tmp_path / CODES)
    with pytest.raises(BadData, match="metadata"):
        read_codes(tmp_path / CODES)


def test_a_folder_keeps_codes_and_describes_them(tmp_path: Path) -> None:
    data = shop().with_codes("mine", Codes(torch.tensor([[0, 1], [0, 1], [3, 0]]), (4, 4)))
    tr.write(data, tmp_path / "data")
    again = tr.read(tmp_path / "data")
    assert again.fingerprint == data.fingerprint
    assert again.catalog.items.codes["mine"].sizes == (4, 4)
    found = describe(again)
    assert found.codes["mine"] == {"sizes": [4, 4], "collisions": pytest.approx(1 / 3)}
    assert "semantic ids: mine (2 x 4 tokens, 33.3 % collide)" in found.lines()


def test_a_copy_of_a_folder_brings_the_codebook_only_with_its_codes(tmp_path: Path) -> None:
    codes = Codes(torch.tensor([[0], [1], [2]]), (4,))
    old = tmp_path / "data"
    tr.write(shop(), old)
    write_codes(old / CODES, shop().catalog.items.ids, {"mine": codes}, {"mine": "key"})
    for path in codebook_files(old / CODES, "mine"):
        path.write_text("codebook")
    data = tr.read(old)
    tr.write(data, tmp_path / "copy")
    assert read_codes(tmp_path / "copy" / CODES).codebooks == {"mine": "key"}
    assert all(one.is_file() for one in codebook_files(tmp_path / "copy" / CODES, "mine"))
    tr.write(data.with_codes("mine", replace(codes, table=codes.table + 1)), tmp_path / "other")
    assert read_codes(tmp_path / "other" / CODES).codebooks == {}
    assert not any(one.is_file() for one in codebook_files(tmp_path / "other" / CODES, "mine"))


def test_raw_tables_come_with_their_codes_or_without_as_was_asked(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    events = {"user_id": [1, 1, 2], "item_id": ITEMS, "timestamp": [1, 2, 3]}
    pl.DataFrame(events).write_csv(folder / "interactions.csv")
    file(folder, {"mine": [[0], [1], [2]]})
    report = tr.import_data(folder, tmp_path / "data")
    assert not report.notes
    assert tr.read(tmp_path / "data").catalog.items.codes["mine"].table.tolist() == [[0], [1], [2]]
    file(folder, {"mine": [[0], [1]]}, ["a", "b"])
    with pytest.raises(BadData, match="no codes for items"):
        tr.read(folder)
    report = tr.import_data(folder, tmp_path / "less", on_error="skip")
    assert "no codes for items" in report.notes[0]
    assert not tr.read(tmp_path / "less").catalog.items.codes


def test_fewer_items_keep_their_codes() -> None:
    events = [("u", "a", 1), ("v", "a", 2), ("u", "c", 3), ("v", "c", 4), ("u", "b", 5)]
    data = world(events, items=ITEMS)
    data = data.with_codes("mine", Codes(torch.tensor([[7], [8], [9]]), (10,)))
    fewer = tr.k_core(data, 2, 2)
    assert fewer.catalog.items.ids.to_list() == ["a", "c"]
    assert fewer.catalog.items.codes["mine"].table.tolist() == [[7], [9]]
    assert tr.sessions(data, 1).catalog.items.codes["mine"].table.tolist() == [[7], [8], [9]]
