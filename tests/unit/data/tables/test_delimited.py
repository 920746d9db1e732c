from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core.errors import BadData
from tesserec.data.tables import NO_UTF8, ROW, WRONG_FIELDS, delimited_table, open_table
from tesserec.data.tables.delimited import _is_even
from tesserec.data.tables.exact import Layout, read_delimited
from toys.files import written


def read(folder: Path, text: str | bytes, name: str = "x.csv"):
    return open_table(written(folder, name, text)).load()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_told_from_the_first_lines(tmp_path: Path, separator: str):
    text = "\n".join(separator.join(row) for row in (["a", "b", "c"], ["1", "2.5", "x y"]))
    loaded = read(tmp_path, text)
    assert loaded.frame.rows() == [(2, "1", "2.5", "x y")]


def test_a_comma_in_every_row_is_no_separator_when_the_header_has_none(tmp_path: Path):
    assert read(tmp_path, "a;b\n1,5;2,5\n").frame.rows() == [(2, "1,5", "2,5")]


def test_a_tsv_keeps_its_commas(tmp_path: Path):
    assert read(tmp_path, "a,x\tb\n1,2\t3\n", "x.tsv").frame.columns == [ROW, "a,x", "b"]


def test_a_table_of_one_column_has_no_separator(tmp_path: Path):
    assert read(tmp_path, "a\n1\n\n2\n").frame.rows() == [(2, "1"), (4, "2")]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path):
    loaded = read(tmp_path, "\n\na,b\n1,2\n\n3,4\n")
    assert loaded.frame[ROW].to_list() == [4, 6]
    assert loaded.empty == 1


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_value(tmp_path: Path):
    loaded = read(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert loaded.frame.to_dicts() == [{ROW: 2, "a": "1", "b": "2"}]


def test_quoted_fields_may_hold_separators_quotes_and_line_breaks(tmp_path: Path):
    loaded = read(tmp_path, 'a,b\n"1,5","he said ""no"""\n"two\nlines",x\n')
    assert loaded.frame.rows() == [(2, "1,5", 'he said "no"'), (3, "two\nlines", "x")]


def test_empty_fields_are_null_quoted_or_not(tmp_path: Path):
    assert read(tmp_path, 'a,b,c\n1,,""\n').frame.rows() == [(2, "1", None, None)]


def test_too_few_and_too_many_fields_are_broken_rows(tmp_path: Path):
    loaded = read(tmp_path, "a,b,c\n1,2\n4,5,6\n1,2,3,4\n")
    assert loaded.frame.rows() == [(3, "4", "5", "6")]
    assert loaded.broken.rows() == [(2, WRONG_FIELDS, "1,2"), (4, WRONG_FIELDS, "1,2,3,4")]


def test_too_few_fields_are_told_from_empty_ones_at_the_end(tmp_path: Path):
    loaded = read(tmp_path, "a,b,c\n1,2,\n1,2\n")
    assert loaded.frame.rows() == [(2, "1", "2", None)]
    assert loaded.broken[ROW].to_list() == [3]


def test_bytes_that_are_no_utf8_break_their_row_alone(tmp_path: Path):
    loaded = read(tmp_path, b"a,b\n1,caf\xe9\n2,x\n")
    assert loaded.frame.rows() == [(3, "2", "x")]
    assert loaded.broken.rows() == [(2, NO_UTF8, "1,caf\\xe9")]


def test_a_forgotten_quote_does_not_swallow_the_rows_below_it(tmp_path: Path):
    loaded = read(tmp_path, 'a,b,c\n1,"open,2\n4,5,6\n7,8,"9"\n')
    assert loaded.frame.rows() == [(3, "4", "5", "6"), (4, "7", "8", "9")]
    assert loaded.broken[ROW].to_list() == [2]


def test_a_quote_within_a_field_is_a_character(tmp_path: Path):
    assert read(tmp_path, 'a,b\n1,5" nail\n').frame.rows() == [(2, "1", '5" nail')]


def test_a_packed_file_is_read_like_any_other(tmp_path: Path):
    loaded = read(tmp_path, "a,b\n1,2\n3\n", "x.csv.gz")
    assert loaded.frame.rows() == [(2, "1", "2")]
    assert loaded.broken[ROW].to_list() == [3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16"),
        (b"a,\xff\n1,2\n", "header of x.csv is not UTF-8"),
        (b"a,b,a\n1,2,3\n", "two columns called 'a'"),
        (b"1,2,3\n4,5,6\n", "no header"),
        (b"a,b\r1,2\r", "bare CR"),
    ],
)
def test_a_file_that_is_no_table_says_why(tmp_path: Path, text: bytes, said: str):
    with pytest.raises(BadData, match=said):
        read(tmp_path, text)


def test_a_packed_file_that_is_cut_off_is_named(tmp_path: Path):
    path = written(tmp_path, "x.csv.gz", "a,b\n" + "1,2\n" * 10_000)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadData, match=r"x\.csv\.gz"):
        open_table(path).load()


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path):
    assert read(tmp_path, "a,b\n").frame.height == 0


_CELLS = st.sampled_from(
    ["1", "a", "é", "", '"x"', '"a,b"', '"a\nb"', '""', '"q""q"', 'a"b', '"open', " ", '"a"b']
)


@given(
    rows=st.lists(st.lists(_CELLS, min_size=1, max_size=4), max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_polars_and_the_exact_reader_agree(tmp_path: Path, rows: list[list[str]], end: str):
    text = end.join(["a,b,c", *(",".join(row) for row in rows), ""])
    path = written(tmp_path, "x.csv", text)
    fast = delimited_table(path, ",").load()
    exact = read_delimited(path, Layout(("a", "b", "c"), ",", '"'))
    assert fast.frame.equals(exact.frame)
    assert fast.broken.equals(exact.broken)
    assert fast.empty == exact.empty


@given(rows=st.lists(st.lists(_CELLS, min_size=3, max_size=3), max_size=6))
def test_no_row_is_ever_lost(tmp_path: Path, rows: list[list[str]]):
    one_line = [row for row in rows if not any('"' in cell for cell in row)]
    path = written(
        tmp_path, "x.csv", "\n".join(["a,b,c", *(",".join(row) for row in one_line), ""])
    )
    loaded = delimited_table(path, ",").load()
    assert loaded.frame.height + loaded.broken.height + loaded.empty == len(one_line)


def test_a_line_is_even_when_its_commas_outside_of_quotes_are_as_many(tmp_path: Path):
    layout = Layout(("a", "b"), ",", '"')
    assert _is_even(written(tmp_path, "x", 'a,b\n"1,2",\n'), layout, 0)
    assert not _is_even(written(tmp_path, "y", "a,b\n1\n"), layout, 0)


def test_many_rows_are_read_in_batches_and_numbered_through(tmp_path: Path):
    lines = [f"{n},{n}" for n in range(45_000)]
    lines[30_000] = "broken"
    path = written(tmp_path, "x.csv", "\n".join(["a,b", *lines, ""]))
    loaded = open_table(path).load()
    assert loaded.broken.rows() == [(30_002, WRONG_FIELDS, "broken")]
    assert loaded.frame[ROW].to_list() == [n for n in range(2, 45_002) if n != 30_002]
    assert (loaded.frame[ROW] - 2).cast(pl.String).equals(loaded.frame["a"].alias(ROW))
