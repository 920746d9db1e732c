"""Bad vectors are named by id (promise 10)."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core.errors import BadData
from tesserec.data.importing import import_data
from toys.files import written

ITEMS = ["a", "b", "c", "d"]
GOOD = np.arange(1, 9, dtype=np.float32).reshape(4, 2)


def shop(folder: Path, order: list[str] = ITEMS) -> Path:
    """Four items in an order of their own, one event each."""
    place = folder / "shop"
    rows = "".join(f"ann,{item}\n" for item in ITEMS)
    written(place, "interactions.csv", f"user,item\n{rows}")
    written(place, "items.csv", "item\n" + "".join(f"{item}\n" for item in order))
    (place / "features").mkdir(exist_ok=True)
    return place


def vectors_of(folder: Path, on_error="fail", name: str = "image"):
    report = import_data(folder, folder.parent / "out", on_error)
    items = tr.read(folder.parent / "out").catalog.items
    rows = {one: items.vectors[name][row].tolist() for row, one in enumerate(items.ids)}
    return rows, report


def test_rows_follow_the_order_of_the_item_table(tmp_path: Path):
    place = shop(tmp_path, ["c", "a", "d", "b"])
    np.save(place / "features" / "image.npy", GOOD)
    rows, _ = vectors_of(place)
    assert rows == {"a": [3, 4], "b": [7, 8], "c": [1, 2], "d": [5, 6]}


def test_rows_follow_the_item_table_though_some_of_its_rows_are_left_out(tmp_path: Path):
    place = shop(tmp_path)
    written(place, "items.csv", "item,n\na,1\n,2\nb,3\nb,4\nc,5\nd,6\n")
    np.save(place / "features" / "image.npy", np.arange(6, dtype=np.float16)[:, None] + 1)
    rows, report = vectors_of(place, "skip")
    assert rows == {"a": [1], "b": [3], "c": [5], "d": [6]}
    assert {one.reason for one in report.problems} == {"missing item", "item is there twice"}


FAULTS = [
    ("NaN or infinity", "b", [np.nan, 1], [0, 0], "set to zero"),
    ("NaN or infinity", "b", [1, np.inf], [0, 0], "set to zero"),
    ("nothing but zeros", "b", [0, 0], [0, 0], "kept"),
]


@pytest.mark.parametrize(("reason", "item", "row", "becomes", "done"), FAULTS)
def test_a_bad_row_is_named_by_the_id_of_its_item(
    tmp_path: Path, reason: str, item: str, row: list, becomes: list, done: str
):
    place = shop(tmp_path)
    table = GOOD.copy()
    table[ITEMS.index(item)] = row
    np.save(place / "features" / "image.npy", table)
    with pytest.raises(BadData, match=rf"image\.npy: {reason} for 1 item: {item}"):
        vectors_of(place)
    rows, report = vectors_of(place, "skip")
    assert rows[item] == becomes
    assert rows["a"] == [1, 2]
    (problem,) = report.problems
    assert (problem.reason, problem.ids, problem.done) == (reason, (item,), done)


def test_an_item_only_events_know_has_no_row(tmp_path: Path):
    place = shop(tmp_path)
    written(place, "interactions.csv", "user,item\nann,a\nann,zebra\n")
    np.save(place / "features" / "image.npy", GOOD)
    with pytest.raises(BadData, match="no vector for 1 item: zebra"):
        vectors_of(place)
    rows, _ = vectors_of(place, "quarantine")
    assert rows["zebra"] == [0, 0]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (np.ones((3, 2)), "has 3 rows, and the item table 4"),
        (np.ones(4), "not one vector an item"),
        (np.ones((4, 2, 2)), "not one vector an item"),
        (np.array([["x"]] * 4), "not one vector an item"),
        (np.array([{}] * 4, dtype=object), "cannot be read"),
    ],
)
def test_an_array_of_another_shape_is_refused_whatever_is_skipped(tmp_path: Path, table, said: str):
    place = shop(tmp_path)
    np.save(place / "features" / "image.npy", table)
    with pytest.raises(BadData, match=f"image.npy.*{said}"):
        vectors_of(place, "skip")


def test_a_file_that_is_no_array_is_named(tmp_path: Path):
    place = shop(tmp_path)
    written(place / "features", "image.npy", "no array")
    with pytest.raises(BadData, match=r"image\.npy cannot be read"):
        vectors_of(place)


def test_an_array_beside_no_item_table_is_refused(tmp_path: Path):
    place = shop(tmp_path)
    (place / "items.csv").unlink()
    np.save(place / "features" / "image.npy", GOOD)
    with pytest.raises(BadData, match="lies beside no item table"):
        vectors_of(place)


@pytest.mark.parametrize("as_lists", [True, False])
def test_a_table_of_vectors_goes_by_its_ids(tmp_path: Path, as_lists: bool):
    place = shop(tmp_path)
    frame = pl.DataFrame({"item_id": ["d", "a", "c", "b", "x"]})
    numbers = [[7.0, 8.0], [1.0, 2.0], [5.0, 6.0], [3.0, 4.0], [9.0, 9.0]]
    if as_lists:
        frame = frame.with_columns(vector=pl.Series(numbers))
    else:
        frame = frame.hstack(pl.DataFrame(numbers, schema=["x", "y"], orient="row"))
    frame.write_parquet(place / "features" / "image.parquet")
    rows, report = vectors_of(place)
    assert rows == {"a": [1, 2], "b": [3, 4], "c": [5, 6], "d": [7, 8]}
    assert report.vectors == {"image": 2}
    assert "image.parquet: rows of no item: 1." in report.notes


def test_lists_of_another_width_missing_and_doubled_rows_are_named(tmp_path: Path):
    place = shop(tmp_path)
    lists = [[1.0, 2.0], [3.0], [5.0, None], [9.0, 9.0]]
    frame = pl.DataFrame({"item": ["a", "b", "c", "a"], "vector": lists})
    frame.write_parquet(place / "features" / "text.parquet")
    with pytest.raises(BadData, match=r"text\.parquet: several vectors for 1 item: a"):
        vectors_of(place)
    rows, report = vectors_of(place, "skip", "text")
    assert rows == {"a": [1, 2], "b": [0, 0], "c": [0, 0], "d": [0, 0]}
    assert {one.reason: one.ids for one in report.problems} == {
        "several vectors": ("a",),
        "wrong width": ("b",),
        "NaN or infinity": ("c",),
        "no vector": ("d",),
    }


def test_vectors_are_float32_and_a_float16_file_loses_nothing(tmp_path: Path):
    place = shop(tmp_path)
    np.save(place / "features" / "image.npy", GOOD.astype(np.float16))
    table = tr.read(place).catalog.items.vectors["image"]
    assert table.dtype == torch.float32
    assert torch.equal(table, torch.from_numpy(GOOD))
