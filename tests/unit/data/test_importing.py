import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tesserec as tr
from tesserec.core.errors import BadData, BadRequest, BadSpec
from tesserec.data import format
from tesserec.data.importing import Columns, import_data
from toys.files import ratings, written
from toys.sources import csv, tables

ROWS = "ann,a,1400000000,3\nbob,b,1400000100,4\n"


def test_a_report_says_what_was_read_and_what_became_of_it(tmp_path: Path):
    report = import_data(tables(tmp_path / "raw"), tmp_path / "out")
    assert report.to_dict() == {
        "source": "shop",
        "kind": "TableFolder",
        "folder": str(tmp_path / "out"),
        "fingerprint": tr.read(tmp_path / "out").fingerprint,
        "users": 4,
        "items": 4,
        "events": 6,
        "clock": "seconds",
        "kinds": [],
        "vectors": {"image": 3},
        "relations": {
            "image_knn10": 1,
            "item_colour": 2,
            "knowledge_items_entities": 1,
            "knowledge_items_items": 1,
            "trust": 2,
        },
        "media": {"image": 2},
        "columns": {
            "user": "user_id",
            "item": "item_id",
            "time": "timestamp",
            "split": "split",
        },
        "problems": [],
        "notes": [
            "users known from relations alone: 1.",
            "Left alone: dialogues.jsonl.",
            "images.parquet: items without one: 2 of 4.",
        ],
    }
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_the_lines_of_a_report_hold_counts_columns_problems_and_notes(tmp_path: Path):
    path = ratings(tmp_path, f"{ROWS}ann,c,soon,1\n\n")
    lines = import_data(path, tmp_path / "out", "skip").lines()
    assert lines == [
        f"ratings.csv (TableFile) is now {tmp_path / 'out'}:",
        "2 users, 2 items, 2 events",
        "columns: user = user_id, item = item_id, time = timestamp, weight = rating",
        "ratings.csv: 1 row left out, unreadable time (row 4: 'soon')",
        "ratings.csv: empty lines passed over: 1.",
    ]


def test_the_folder_remembers_how_it_was_made(tmp_path: Path):
    import_data(ratings(tmp_path, ROWS), tmp_path / "out")
    made = json.loads((tmp_path / "out" / "dataset.json").read_text())["imported"]
    assert (made["source"], made["kind"]) == ("ratings.csv", "TableFile")
    assert made["columns"]["time"] == "timestamp"


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path):
    path = ratings(tmp_path / "raw", f"{ROWS}ann,c,soon,1\n")
    with pytest.raises(BadData):
        import_data(path, tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["raw"]


def test_a_failed_import_leaves_the_old_dataset_whole(tmp_path: Path):
    report = import_data(ratings(tmp_path / "raw", ROWS), tmp_path / "out")
    with pytest.raises(BadData):
        import_data(ratings(tmp_path / "raw", "ann,,1,1\n"), tmp_path / "out")
    assert tr.read(tmp_path / "out").fingerprint == report.fingerprint


def test_rows_in_quarantine_lie_in_the_folder(tmp_path: Path):
    path = ratings(tmp_path, f"{ROWS}ann,c,soon,1\n,c,1400000000,1\n")
    report = import_data(path, tmp_path / "out", "quarantine")
    kept = pl.read_parquet(tmp_path / "out" / "quarantine.parquet")
    assert kept.select("row", "reason").rows() == [(4, "unreadable time"), (5, "missing user")]
    assert sum(one.count for one in report.problems) == kept.height
    assert tr.read(tmp_path / "out").fingerprint == tr.read(ratings(tmp_path, ROWS)).fingerprint


def test_there_is_no_quarantine_without_bad_rows_or_without_being_asked(tmp_path: Path):
    import_data(ratings(tmp_path, ROWS), tmp_path / "clean", "quarantine")
    import_data(ratings(tmp_path, f"{ROWS}ann,c,soon,1\n"), tmp_path / "skipped", "skip")
    assert not (tmp_path / "clean" / "quarantine.parquet").exists()
    assert not (tmp_path / "skipped" / "quarantine.parquet").exists()


def test_pictures_are_kept_by_item(tmp_path: Path):
    import_data(tables(tmp_path / "raw"), tmp_path / "out")
    media = pl.read_parquet(tmp_path / "out" / "media" / "image.parquet")
    assert media.rows() == [(0, b"zero"), (2, b"two")]


def test_pictures_of_nobody_empty_ones_and_second_ones_are_named(tmp_path: Path):
    place = tables(tmp_path / "raw")
    pictures = {"item_id": [0, 0, 99, 1], "jpg": [b"one", b"two", b"x", None]}
    pl.DataFrame(pictures).write_parquet(place / "images.parquet")
    with pytest.raises(BadData, match=r"images\.parquet: an unknown item for 1 item: 99"):
        import_data(place, tmp_path / "out")
    report = import_data(place, tmp_path / "out", "skip")
    assert [(one.reason, one.ids) for one in report.problems] == [
        ("an unknown item", ("99",)),
        ("a second file", ("0",)),
        ("an empty file", ("1",)),
    ]
    assert pl.read_parquet(tmp_path / "out" / "media" / "image.parquet").rows() == [(0, b"one")]
    assert report.media == {"image": 1}


def test_a_dataset_can_be_imported_again_with_its_pictures(tmp_path: Path):
    first = import_data(tables(tmp_path / "raw"), tmp_path / "one")
    second = import_data(tmp_path / "one", tmp_path / "two")
    assert (second.kind, second.fingerprint) == ("dataset", first.fingerprint)
    assert second.media == {"image": 2}
    assert (tmp_path / "two" / "media" / "image.parquet").is_file()


def test_the_sample_can_be_imported_by_its_name(tmp_path: Path):
    assert import_data("sample", tmp_path / "out").fingerprint == tr.sample().fingerprint


def test_named_columns_decide(tmp_path: Path):
    path = written(tmp_path, "x.csv", "who,what,when,how\nann,a,2020-01-01,2\n")
    chosen = Columns(user="who", item="what", time="when", weight="how")
    report = import_data(path, tmp_path / "out", columns=chosen)
    assert report.columns == {"user": "who", "item": "what", "time": "when", "weight": "how"}


def test_a_folder_that_is_no_dataset_is_never_replaced(tmp_path: Path):
    mine = written(tmp_path / "home", "thesis.txt", "years of work")
    for place in (tmp_path / "home", mine):
        with pytest.raises(BadRequest, match="would be lost"):
            import_data(csv(tmp_path), place)
    assert mine.read_text() == "years of work"


def test_a_folder_that_holds_the_source_is_never_replaced(tmp_path: Path):
    import_data(csv(tmp_path), tmp_path / "out")
    inside = csv(tmp_path / "out")
    with pytest.raises(BadData, match="holds the source"):
        import_data(inside, tmp_path / "out")
    assert inside.is_file()


def test_a_word_that_is_no_way_to_treat_errors_is_refused(tmp_path: Path):
    with pytest.raises(BadSpec, match="fail, skip or quarantine"):
        import_data(csv(tmp_path), tmp_path / "out", "ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"dialogues.jsonl": "{}", "README.md": "x"}, "neither interactions nor items"),
        ({"bundles.csv": "bundle,item\n1,2\n"}, "neither interactions nor items: bundles.csv"),
        ({"impressions.csv": "item,click\n1,0\n"}, "neither interactions nor items"),
        ({}, "neither interactions nor items: nothing"),
        ({"items.csv": "code,title\n1,x\n"}, "no column that looks like the item"),
        ({"items.csv": "item\n1\n", "items.tsv": "item\n1\n"}, "both items.csv and items.tsv"),
        ({"one.inter": "a:token\n1\n", "two.inter": "a:token\n"}, "neither"),
    ],
)
def test_a_folder_that_cannot_be_imported_says_why(tmp_path: Path, files: dict, said: str):
    place = tmp_path / "shop"
    place.mkdir()
    for name, text in files.items():
        written(place, name, text)
    with pytest.raises(BadData, match=said):
        import_data(place, tmp_path / "out")


def test_what_is_not_there_or_no_table_says_so(tmp_path: Path):
    with pytest.raises(BadData, match=r"missing\.csv is not there"):
        import_data(tmp_path / "missing.csv", tmp_path / "out")
    with pytest.raises(BadData, match=r"notes\.doc is no table"):
        import_data(written(tmp_path, "notes.doc", "x"), tmp_path / "out")


def test_items_alone_are_a_dataset_without_events(tmp_path: Path):
    place = tmp_path / "shop"
    written(place, "items.csv", "item_id,title\na,apple\nb,berry\n")
    pl.DataFrame({"item_id": ["a"], "wav": [b"x"]}).write_parquet(place / "audio.parquet")
    report = import_data(place, tmp_path / "out")
    assert (report.users, report.items, report.events, report.clock) == (0, 2, 0, "none")
    assert report.media == {"audio": 1}
    again = format.read(tmp_path / "out")
    assert again.fingerprint == report.fingerprint
    assert again.catalog.items.features["title"].to_list() == ["apple", "berry"]


def test_ids_that_are_numbers_in_one_file_and_text_in_another_meet(tmp_path: Path):
    place = tmp_path / "shop"
    written(place, "interactions.csv", "user,item\n1,7\n2,8\n")
    written(place, "users.csv", "user,age\n1,20\nx2,30\n")
    pl.DataFrame({"item": [7, 8], "price": [1.0, 2.0]}).write_parquet(place / "items.parquet")
    data = tr.read(place)
    assert data.catalog.items.ids.to_list() == [7, 8]
    assert data.catalog.users.ids.to_list() == ["1", "2", "x2"]
    assert data.catalog.users.features["age"].to_list() == [20, None, 30]


def test_dots_in_the_names_of_vectors_become_underlines(tmp_path):
    """Networks call their parts after them, and a dot there means a part of a part."""
    (tmp_path / "shop" / "features").mkdir(parents=True)
    (tmp_path / "shop" / "items.csv").write_text("id\nmug\npot\n")
    np.save(tmp_path / "shop" / "features" / "image.v2.npy", np.eye(2, dtype=np.float32))
    report = import_data(tmp_path / "shop", tmp_path / "out")
    assert report.vectors == {"image_v2": 2}
