"""Files of a folder find their items, and what is of no use is named."""

from pathlib import Path

import polars as pl
import pytest

import tesserec as tr
from tesserec.core.errors import BadData
from tesserec.data.importing import ImportReport, import_data
from tesserec.data.intake import mediafiles
from toys.files import written

NUMBERS = "item,title\n1,tea\n2,cup\n3,pot\n"


def shop(folder: Path, files: dict[str, bytes], items: str = NUMBERS) -> Path:
    """Items of which the first is chosen once, and files beside the tables."""
    place = folder / "shop"
    written(place, "items.csv", items)
    first = items.splitlines()[1].split(",")[0]
    written(place, "interactions.csv", f"user,item\nann,{first}\n")
    for name, content in files.items():
        written(place, name, content)
    return place


def imported(place: Path, on_error="fail", kind: str = "image") -> tuple[list, ImportReport]:
    report = import_data(place, place.parent / "out", on_error)
    media = pl.read_parquet(place.parent / "out" / "media" / f"{kind}.parquet")
    assert media.columns == ["item", "bytes"]
    assert media["item"].dtype == tr.read(place.parent / "out").catalog.items.ids.dtype
    return media.rows(), report


@pytest.mark.parametrize("name", ["2.jpg", "2", "kitchen/2.jpg", "a/b/2.webp"])
def test_a_file_called_after_an_item_belongs_to_it(name: str, tmp_path: Path):
    rows, report = imported(shop(tmp_path, {f"images/{name}": b"cup"}))
    assert rows == [(2, b"cup")]
    assert report.media == {"image": 1}
    assert "images: items without one: 2 of 3." in report.notes
    assert not any("Left alone" in note for note in report.notes)


@pytest.mark.parametrize("item", ["b.1", "b.1.jpg", "shoes/b.1", "shoes/b.1.jpg"])
def test_ids_may_hold_dots_and_folders(item: str, tmp_path: Path):
    items = f"item,title\n{item},boot\n"
    rows, _ = imported(shop(tmp_path, {"images/shoes/b.1.jpg": b"boot"}, items))
    assert rows == [(item, b"boot")]


@pytest.mark.parametrize("way", ["images/in/tea.jpg", "in/tea.jpg", "tea.jpg"])
def test_a_file_that_a_column_names_belongs_to_every_item_that_names_it(way: str, tmp_path: Path):
    items = f"item,photo\n1,{way}\n2,\n3,{way}\n"
    rows, _ = imported(shop(tmp_path, {"images/in/tea.jpg": b"tea"}, items))
    assert rows == [(1, b"tea"), (3, b"tea")]


def test_what_a_column_says_counts_more_than_what_a_file_is_called(tmp_path: Path):
    items = "item,photo\n1,2.jpg\n2,1.jpg\n3,\n"
    files = {"images/1.jpg": b"one", "images/2.jpg": b"two", "images/3.jpg": b"three"}
    rows, _ = imported(shop(tmp_path, files, items))
    assert sorted(rows) == [(1, b"two"), (2, b"one"), (3, b"three")]


def test_of_a_named_file_and_one_called_after_the_item_the_named_one_stays(tmp_path: Path):
    items = "item,photo\n1,z.jpg\n2,\n"
    place = shop(tmp_path, {"images/1.jpg": b"called", "images/z.jpg": b"named"}, items)
    rows, report = imported(place, "skip")
    assert rows == [(1, b"named")]
    assert [(one.reason, one.ids) for one in report.problems] == [("a second file", ("1.jpg",))]


def test_an_id_without_suffix_comes_before_one_with_it(tmp_path: Path):
    items = "item,title\nb,boot\nb.jpg,another\n"
    rows, _ = imported(shop(tmp_path, {"images/b.jpg": b"boot"}, items))
    assert rows == [("b", b"boot")]


def test_sounds_and_clips_have_folders_of_their_own(tmp_path: Path):
    place = shop(tmp_path, {"audio/1.wav": b"song", "videos/3.mp4": b"clip"})
    assert imported(place, kind="audio")[0] == [(1, b"song")]
    rows, report = imported(place, kind="video")
    assert rows == [(3, b"clip")]
    assert report.media == {"audio": 1, "video": 1}


def test_files_of_nobody_empty_ones_and_second_ones_are_named(tmp_path: Path):
    files = {"1.jpg": b"tea", "1.png": b"more tea", "2.jpg": b"", "cat.jpg": b"cat"}
    place = shop(tmp_path, {f"images/{name}": content for name, content in files.items()})
    with pytest.raises(BadData, match=r"images: an unknown item for 1 file: cat\.jpg"):
        import_data(place, tmp_path / "out")
    rows, report = imported(place, "skip")
    assert rows == [(1, b"tea")]
    assert [(one.file, one.reason, one.ids, one.done) for one in report.problems] == [
        ("images", "an unknown item", ("cat.jpg",), "left out"),
        ("images", "a second file", ("1.png",), "left out"),
        ("images", "an empty file", ("2.jpg",), "left out"),
    ]


def test_hidden_files_are_passed_over(tmp_path: Path):
    files = {"images/1.jpg": b"tea", "images/.DS_Store": b"x", "images/.thumbs/2.jpg": b"x"}
    rows, _ = imported(shop(tmp_path, files))
    assert rows == [(1, b"tea")]


def test_a_table_and_a_folder_of_pictures_are_one_too_many(tmp_path: Path):
    place = shop(tmp_path, {"images/1.jpg": b"tea"})
    pl.DataFrame({"item": [1], "jpg": [b"tea"]}).write_parquet(place / "images.parquet")
    with pytest.raises(BadData, match=r"both images\.parquet and images/"):
        import_data(place, tmp_path / "out")


def test_an_empty_folder_is_no_trouble(tmp_path: Path):
    place = shop(tmp_path, {})
    (place / "images").mkdir()
    rows, report = imported(place)
    assert rows == []
    assert report.media == {"image": 0}


@pytest.mark.parametrize(("group", "held"), [(2, 1 << 20), (64, 5)])
def test_only_a_few_files_are_held_at_once(
    group: int, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mediafiles, "GROUP", group)
    monkeypatch.setattr(mediafiles, "HELD", held)
    files = {f"images/{item}.jpg": f"no {item}".encode() for item in range(5)}
    items = "item,title\n" + "".join(f"{item},x\n" for item in range(5))
    rows, _ = imported(shop(tmp_path, files, items))
    assert rows == [(item, f"no {item}".encode()) for item in range(5)]
    from pyarrow import parquet

    stored = parquet.read_metadata(tmp_path / "out" / "media" / "image.parquet")
    assert [stored.row_group(n).num_rows for n in range(stored.num_row_groups)] == [2, 2, 1]
