"""A corpus of bad rows (promise 9): each is named, counted, and nothing else is lost."""

from pathlib import Path

import polars as pl
import pytest

from tesserec.core.errors import BadData
from tesserec.data.intake import Columns, Findings
from tesserec.data.intake.events import read_events
from tesserec.data.tables import lazy_table, open_table
from toys.files import ratings, written

GOOD = "ann,a,1400000000,3\n"

BAD_ROWS = [
    (",a,1400000000,3", "missing user", "user_id", ""),
    ("   ,a,1400000000,3", "missing user", "user_id", "   "),
    ("ann,,1400000000,3", "missing item", "item_id", ""),
    (f"{'u' * 513},a,1400000000,3", "user id too long", "user_id", "u" * 513),
    ("a\x00n,a,1400000000,3", "control character in user id", "user_id", "a\x00n"),
    ('ann,"a\nb",1400000000,3', "control character in item id", "item_id", "a\nb"),
    ("ann,a,,3", "missing time", "timestamp", ""),
    ("ann,a,soon,3", "unreadable time", "timestamp", "soon"),
    ("ann,a,-5,3", "time before 1970", "timestamp", "-5"),
    ("ann,a,32503680000,3", "time after 2200", "timestamp", "32503680000"),
    ("ann,a,1400000000,", "weight is no number", "rating", ""),
    ("ann,a,1400000000,good", "weight is no number", "rating", "good"),
    ("ann,a,1400000000,NaN", "weight is no number", "rating", "NaN"),
    ("ann,a,1400000000,inf", "weight is no number", "rating", "inf"),
    ("ann,a", "wrong number of fields", "", "ann,a"),
    ("ann,a,1400000000,3,4", "wrong number of fields", "", "ann,a,1400000000,3,4"),
]


def events(path: Path, on_error="fail", **columns: str):
    found = Findings(on_error)
    return read_events(open_table(path), Columns(**columns), found), found


@pytest.mark.parametrize(("row", "reason", "column", "value"), BAD_ROWS)
def test_a_bad_row_is_refused_by_file_row_column_and_value(
    tmp_path: Path, row: str, reason: str, column: str, value: str
):
    with pytest.raises(BadData) as error:
        events(ratings(tmp_path, f"{GOOD}{row}\n{GOOD}"))
    said = error.value.cause
    assert said.startswith(
        f"ratings.csv, row 3{f', column {column!r}' if column else ''}: {reason}"
    )
    assert repr(value[:80]) in said or value == ""
    assert "--on-error skip" in error.value.cure


@pytest.mark.parametrize(("row", "reason", "column", "value"), BAD_ROWS)
def test_a_bad_row_is_skipped_and_told(
    tmp_path: Path, row: str, reason: str, column: str, value: str
):
    read, found = events(ratings(tmp_path, f"{GOOD}{row}\n{GOOD}"), "skip")
    assert read.frame["user"].to_list() == ["ann", "ann"]
    (problem,) = found.problems
    assert (problem.reason, problem.count, problem.rows) == (reason, 1, (3,))
    assert (problem.column, problem.values) == (column, (value,))


def test_all_bad_rows_at_once_are_counted_by_reason(tmp_path: Path):
    path = ratings(tmp_path, GOOD + "".join(f"{row}\n" for row, *_ in BAD_ROWS))
    read, found = events(path, "skip")
    assert read.frame.height == 1
    counts = {(one.reason, one.column): one.count for one in found.problems}
    wanted = [(reason, column) for _, reason, column, _ in BAD_ROWS]
    assert counts == {key: wanted.count(key) for key in wanted}
    with pytest.raises(BadData, match=r"In all: 4 weight is no number"):
        events(path)


def test_a_row_is_blamed_for_its_first_fault_alone(tmp_path: Path):
    _, found = events(ratings(tmp_path, f"{GOOD},,soon,bad\n"), "skip")
    assert [one.reason for one in found.problems] == ["missing user"]


def test_quarantined_rows_keep_what_they_held(tmp_path: Path):
    path = ratings(tmp_path, f"{GOOD}bob,b,soon,2\nann\n")
    _, found = events(path, "quarantine")
    kept = found.quarantine()
    assert kept is not None
    assert kept.select("file", "row", "reason", "column", "value").rows() == [
        ("ratings.csv", 3, "unreadable time", "timestamp", "soon"),
        ("ratings.csv", 4, "wrong number of fields", "", "ann"),
    ]
    assert kept["user"].to_list() == ["bob", None]


def test_rows_in_quarantine_whose_columns_are_called_like_ours_are_kept(tmp_path: Path):
    path = written(tmp_path, "x.csv", "user,item,value,row,reason\nann,a,bad,7,why\nann,a,1,7,x\n")
    _, found = events(path, "quarantine", weight="value")
    kept = found.quarantine()
    assert kept is not None
    assert kept.select("row", "reason", "row_", "reason_").rows() == [
        (2, "weight is no number", "7", "why")
    ]


def test_a_file_of_which_no_row_is_left_is_refused(tmp_path: Path):
    with pytest.raises(BadData, match=r"No row of ratings\.csv is left"):
        events(ratings(tmp_path, "ann,a,soon,3\n"), "skip")


def test_a_header_alone_is_refused(tmp_path: Path):
    with pytest.raises(BadData, match="a header and no rows"):
        events(ratings(tmp_path, ""))


def test_empty_lines_are_told_and_no_fault(tmp_path: Path):
    read, found = events(ratings(tmp_path, f"{GOOD}\n{GOOD}\n"))
    assert read.frame.height == 2
    assert "empty lines passed over: 2" in found.notes[0]


def test_what_has_no_role_stays_with_its_type(tmp_path: Path):
    text = "user,item,price,n,zip,ok,text\nann,a,1.5,3,01234,true,x\nbob,b,2,4,99999,False,\n"
    read, _ = events(written(tmp_path, "x.csv", text))
    assert read.frame.drop("user", "item").to_dicts() == [
        {"price": 1.5, "n": 3, "zip": "01234", "ok": True, "text": "x"},
        {"price": 2.0, "n": 4, "zip": "99999", "ok": False, "text": None},
    ]


def test_a_column_in_the_way_of_a_role_steps_aside(tmp_path: Path):
    text = "user,item,time,timestamp\nann,a,noon,1400000000\n"
    read, found = events(written(tmp_path, "x.csv", text))
    assert read.frame.select("time", "time_given").rows() == [(1400000000, "noon")]
    assert "'time' is kept as 'time_given'" in found.notes[0]


def test_an_ignored_column_does_not_pass_for_the_role(tmp_path: Path):
    read, _ = events(written(tmp_path, "x.csv", "user,item,weight\nann,a,bad\n"), weight="none")
    assert read.frame["weight_given"].to_list() == ["bad"]
    assert "weight" not in read.frame.columns


def test_parts_are_called_train_valid_and_test(tmp_path: Path):
    text = "user,item,split\n" + "".join(f"u,i{n},{one}\n" for n, one in enumerate(PARTS))
    read, _ = events(written(tmp_path, "x.csv", text))
    assert read.frame["split"].to_list() == list(PARTS.values())


PARTS = {"Train": "train", "val": "valid", "DEV": "valid", "testing": "test", "other": "other"}


def test_labels_of_mmrec_are_parts_and_numbers_elsewhere_are_not(tmp_path: Path):
    rows = "u,a,0\nu,b,1\nu,c,2\n"
    labelled, _ = events(written(tmp_path, "x.csv", f"user,item,x_label\n{rows}"))
    assert labelled.frame["split"].to_list() == ["train", "valid", "test"]
    plain, _ = events(written(tmp_path, "y.csv", f"user,item,split\n{rows}"))
    assert plain.frame["split"].to_list() == ["0", "1", "2"]


def test_held_out_events_without_a_time_come_last(tmp_path: Path):
    text = (
        "user,item,time,split\n"
        "ann,a,100,train\nann,b,,test\nann,c,,valid\nbob,a,50,train\ncyd,a,,test\n"
    )
    read, found = events(written(tmp_path, "x.csv", text))
    assert read.frame["time"].to_list() == [100, 102, 101, 50, 102]
    assert "without a time: 3;" in found.notes[0]


def test_training_events_without_a_time_are_refused(tmp_path: Path):
    text = "user,item,time,split\nann,a,100,train\nann,b,,train\n"
    with pytest.raises(BadData, match="missing time"):
        events(written(tmp_path, "x.csv", text))


def test_a_position_is_an_order_and_no_time(tmp_path: Path):
    read, _ = events(written(tmp_path, "x.csv", "user,item,position\nann,a,0\nann,b,1\n"))
    assert (read.clock, read.frame["time"].to_list()) == ("order", [0, 1])


def test_a_period_is_an_order_and_said_to_be_one(tmp_path: Path):
    read, found = events(written(tmp_path, "x.csv", "user,item,period\nann,a,1\n"))
    assert read.clock == "order"
    assert "period is taken as an order" in found.notes[0]


def test_typed_ids_are_checked_too():
    frame = pl.LazyFrame({"user": [1.0, None, 2.5, float("nan")], "item": ["a", "a", "a", "a"]})
    found = Findings("skip")
    read = read_events(lazy_table(frame, "frame"), Columns(), found)
    assert read.frame["user"].to_list() == [1.0]
    assert [(one.reason, one.rows) for one in found.problems] == [
        ("missing user", (2, 4)),
        ("user id is a fraction", (3,)),
    ]


def test_only_the_first_rows_are_shown_and_all_are_counted(tmp_path: Path):
    _, found = events(ratings(tmp_path, GOOD + "ann,a,soon,3\n" * 200), "skip")
    (problem,) = found.problems
    assert problem.count == 200
    assert len(problem.rows) == 100
    assert problem.line() == (
        "ratings.csv: 200 rows left out, unreadable time (row 3: 'soon', row 4: 'soon', "
        "row 5: 'soon', row 6: 'soon', row 7: 'soon', ...)"
    )


def test_a_column_of_dates_under_another_name_is_pointed_out(tmp_path: Path):
    text = "user,item,when,word\nann,a,2024-01-02,x\nbob,b,2024-01-03 10:00,y\n"
    path = written(tmp_path, "x.csv", text)
    read, found = events(path)
    assert read.clock == "none"
    assert [note for note in found.notes if "--time-column when" in note] == found.notes
    read, found = events(path, time="when")
    assert read.clock == "seconds"
    assert not any("--time-column" in note for note in found.notes)
    assert events(path, time="none")[1].notes == []
