from pathlib import Path

import polars as pl
import pytest

from tesserec.core.errors import BadData
from tesserec.data.tables import NO_OBJECT, NO_UTF8, ROW, jsonlines, open_table
from toys.files import written


def read(folder: Path, text: str | bytes):
    return open_table(written(folder, "x.jsonl", text)).load()


def test_every_line_is_a_row_with_the_types_of_its_values(tmp_path: Path):
    loaded = read(tmp_path, '{"user": 1, "tags": ["x"], "price": 2}\n{"user": 2, "price": 2.5}\n')
    assert loaded.frame.to_dicts() == [
        {ROW: 1, "user": 1, "tags": ["x"], "price": 2.0},
        {ROW: 2, "user": 2, "tags": None, "price": 2.5},
    ]


def test_values_of_several_types_become_text_and_none_is_lost(tmp_path: Path):
    loaded = read(tmp_path, '{"user": 1}\n{"user": "ann"}\n{"user": null}\n{"user": true}\n')
    assert loaded.frame["user"].to_list() == ["1", "ann", None, "true"]


def test_lines_that_are_no_objects_are_broken_rows(tmp_path: Path):
    loaded = read(tmp_path, b'{"a": 1}\n\n[2]\n{"a": 3\n"x"\n{"a": "\xff"}\n{"a": 4}\n')
    assert loaded.frame.rows() == [(1, 1), (7, 4)]
    assert loaded.broken.rows() == [
        (3, NO_OBJECT, "[2]"),
        (4, NO_OBJECT, '{"a": 3'),
        (5, NO_OBJECT, '"x"'),
        (6, NO_UTF8, '{"a": "\\xff"}'),
    ]
    assert loaded.empty == 1


def test_a_type_that_changes_between_batches_becomes_text(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(jsonlines, "_BATCH", 2)
    lines = ['{"a": 1, "b": 1}', '{"a": 2}', '{"a": "x", "b": 2.5}', '{"c": [1]}']
    loaded = read(tmp_path, "\n".join(lines))
    assert loaded.frame["a"].to_list() == ["1", "2", "x", None]
    assert loaded.frame["b"].to_list() == [1.0, None, 2.5, None]
    assert loaded.frame.schema["c"] == pl.List(pl.Int64)


def test_numbers_beyond_int64_are_kept_as_they_are_written(tmp_path: Path):
    text = "123456789012345678901234567890123456789012"
    assert str(read(tmp_path, f'{{"a": {text}}}\n').frame["a"][0]) == text


def test_a_file_without_lines_says_so(tmp_path: Path):
    with pytest.raises(BadData, match="is empty"):
        read(tmp_path, "\n\n")


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path):
    assert read(tmp_path, b'\xef\xbb\xbf{"a": 1}\n').frame["a"].to_list() == [1]


def test_a_damaged_parquet_file_is_named(tmp_path: Path):
    with pytest.raises(BadData, match=r"x\.parquet cannot be read"):
        open_table(written(tmp_path, "x.parquet", b"PAR1 and then nothing"))


def test_rows_of_a_parquet_file_are_numbered_from_one(tmp_path: Path):
    pl.DataFrame({"a": [5, 6]}).write_parquet(tmp_path / "x.parquet")
    assert open_table(tmp_path / "x.parquet").load().frame.rows() == [(1, 5), (2, 6)]
