from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import tesserec as tr
from tesserec.core.errors import BadData
from tesserec.data.reading import read_users
from toys.files import ratings, written
from toys.sources import csv, events, items

PEOPLE = ["ann", "bob", "ann"]
THINGS = ["a", "b", "c"]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"userId": PEOPLE, "sku": THINGS, "ts": [1, 2, 3]}),
        pl.LazyFrame({"userId": PEOPLE, "sku": THINGS, "ts": [1, 2, 3]}),
        pd.DataFrame({"userId": PEOPLE, "sku": THINGS, "ts": [1, 2, 3]}),
        pd.DataFrame(
            {
                "userId": pd.Categorical(PEOPLE),
                "sku": THINGS,
                "ts": pd.to_datetime([1, 2, 3], unit="s"),
            },
            index=[7, 7, 7],
        ),
    ],
    ids=["polars", "lazy", "pandas", "pandas with categories and times"],
)
def test_a_frame_is_read_like_a_file(frame, tmp_path: Path):
    text = "userId,sku,ts\nann,a,1\nbob,b,2\nann,c,3\n"
    assert tr.read_frame(frame).fingerprint == tr.read(written(tmp_path, "x.csv", text)).fingerprint


def test_frames_of_items_and_users_join():
    users = pd.DataFrame({"user": [1, 2, 3], "age": [20, 30, 40]})
    data = tr.read_frame(events(), items(), users)
    assert data.catalog.items.features["title"].to_list() == ["apple", "berry", "cherry", "plum"]
    assert data.catalog.users.features["age"].to_list() == [20, 30, 40]


def test_ids_that_pandas_made_floats_are_whole_numbers_again():
    data = tr.read_frame(pd.DataFrame({"user": [1.0, 2.0], "item": ["a", "b"]}))
    assert data.catalog.users.ids.to_list() == [1, 2]


def test_a_missing_value_of_pandas_is_a_bad_row():
    frame = pd.DataFrame({"user": [1, None, "x"], "item": ["a", "b", "c"]})
    with pytest.raises(BadData, match="interactions, row 2, column 'user': missing user"):
        tr.read_frame(frame)
    with pytest.warns(UserWarning, match="1 row left out, missing user"):
        data = tr.read_frame(frame, on_error="skip")
    assert data.catalog.users.ids.to_list() == ["1", "x"]


def test_what_is_no_frame_is_refused():
    with pytest.raises(BadData, match="is a dict"):
        tr.read_frame({"user": [1]})  # type: ignore[arg-type]


def test_reading_tells_what_it_left_out(tmp_path: Path):
    path = ratings(tmp_path, "ann,a,1400000000,3\nann,b,soon,3\n")
    with pytest.warns(UserWarning, match=r"1 row left out, unreadable time \(row 3: 'soon'\)"):
        data = tr.read(path, on_error="skip")
    assert len(data.interactions) == 1


def test_a_path_may_be_text_and_the_sample_has_a_name(tmp_path: Path):
    assert len(tr.read(str(csv(tmp_path))).interactions) == 6
    assert tr.read("sample").fingerprint == tr.sample().fingerprint


def test_a_folder_called_sample_is_read_by_its_path(tmp_path: Path, monkeypatch):
    tr.write(tr.read(csv(tmp_path)), tmp_path / "sample")
    monkeypatch.chdir(tmp_path)
    assert len(tr.read("./sample").interactions) == 6
    assert len(tr.read(Path("sample")).interactions) == 6


@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("people.txt", "ann\n\nbob \nann\n", ["ann", "bob"]),
        ("people", "17\n18\n", ["17", "18"]),
        ("people.csv", "17\n18\n", ["17", "18"]),
        ("people.csv", "user_id,age\nann,3\nbob,4\nann,5\n", ["ann", "bob"]),
        ("people.csv", "user_id\nann\n", ["ann"]),
        ("people.jsonl", '{"uid": 3}\n{"uid": 1}\n', [3, 1]),
    ],
)
def test_users_are_one_a_line_or_a_column_of_a_table(tmp_path: Path, name, text, ids):
    assert read_users(written(tmp_path, name, text)) == ids


def test_a_file_of_users_that_is_not_there_or_has_no_users_says_so(tmp_path: Path):
    with pytest.raises(BadData, match="is not there"):
        read_users(tmp_path / "nobody.txt")
    with pytest.raises(BadData, match="looks like the user"):
        read_users(written(tmp_path, "x.csv", "a,b\n1,2\n"))
