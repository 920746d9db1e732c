from pathlib import Path

import pytest

from tesserec.core.errors import BadData
from tesserec.data.intake import Columns, Findings
from tesserec.data.intake.entities import read_things
from tesserec.data.tables import open_table
from toys.files import written


def things(folder: Path, text: str, on_error="fail", role="item"):
    found = Findings(on_error)
    path = written(folder, f"{role}s.csv", text)
    return read_things(open_table(path), role, Columns(), found), found


def test_features_get_types_and_ids_stay_text_until_all_tables_are_read(tmp_path: Path):
    read, _ = things(tmp_path, "item_id,price,title\n1,2.5,x\n2,3,\n")
    assert read.frame.to_dicts() == [
        {"id": "1", "price": 2.5, "title": "x"},
        {"id": "2", "price": 3.0, "title": None},
    ]


def test_an_item_that_is_there_twice_is_refused(tmp_path: Path):
    with pytest.raises(BadData, match=r"items\.csv, row 4, column 'sku': item is there twice: 'a'"):
        things(tmp_path, "sku,n\na,1\nb,2\na,3\n")


def test_the_first_of_two_is_kept_where_rows_may_be_skipped(tmp_path: Path):
    read, found = things(tmp_path, "sku,n\na,1\n,2\na,3\n", "skip")
    assert read.frame.rows() == [("a", 1)]
    assert {(one.reason, one.rows) for one in found.problems} == {
        ("item is there twice", (4,)),
        ("missing item", (3,)),
    }


def test_rows_know_their_place_in_the_file_though_others_are_left_out(tmp_path: Path):
    read, _ = things(tmp_path, "sku,n\n,0\na,1\nbroken\n\na,3\nb,4\n", "skip")
    assert read.frame["id"].to_list() == ["a", "b"]
    assert read.places.tolist() == [1, 4]
    assert read.count == 5


def test_a_column_called_id_that_is_not_the_id_is_kept(tmp_path: Path):
    read, found = things(tmp_path, "id,user_id\n7,ann\n", role="user")
    assert read.frame.to_dicts() == [{"id": "ann", "id_given": 7}]
    assert "id_given" in found.notes[0]
