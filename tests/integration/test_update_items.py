"""`tesserec update --items`: new items are recommended at once (promises 18 and 19)."""

import json
import time
from pathlib import Path

import polars as pl
import pytest

FIT = "--split last --quiet --seed 3"
NEW = "id,title,price\np90,garden hose number 90,3.5\np91,tea mug number 91,4.5\np03,changed,1\n"


@pytest.fixture
def new(shop: Path) -> Path:
    (shop.parent / "new.csv").write_text(NEW)
    return shop.parent / "new.csv"


def recommended(tesserec, run: str, history: str, k: int = 12) -> list[str]:
    said = tesserec(f"recommend {run} --history {history} -k {k} --json")
    assert said.code == 0, said.err
    return [one["id"] for one in said.json["items"]]


def test_items_of_a_table_are_encoded_as_the_study_says(tesserec, shop: Path, new: Path) -> None:
    assert tesserec(f"fit shop ContentKNN --out run {FIT}").code == 0
    before = recommended(tesserec, "run", "p01,p03")
    said = tesserec("update run --items new.csv --json")
    assert said.code == 0, said.err
    assert (said.json["items"], said.json["known"], said.json["catalogue"]) == (2, 1, 14)
    after = recommended(tesserec, "run", "p01,p03", 14)
    assert after.index("p90") < after.index("p91")
    assert [one for one in after if one not in ("p90", "p91")] == before
    titles = tesserec("recommend run --history p90 --json").json["items"]
    assert all("title" in one for one in titles)
    assert tesserec("similar run --item p91 -k 1 --json").json["items"][0]["id"] in (
        f"p{number:02d}" for number in range(0, 12, 2)
    )
    assert json.loads((Path("run") / "updated" / "1.json").read_text())["items"] == 2
    assert "p90" not in (shop / "items.csv").read_text()


def test_it_answers_for_known_users_and_is_not_evaluated_on_old_data(
    tesserec, shop: Path, new: Path
) -> None:
    assert tesserec(f"fit shop ContentKNN --out run {FIT}").code == 0
    assert tesserec("update run --items new.csv --quiet").code == 0
    found = tesserec("recommend run --user c01 -k 12 --json").json["items"]
    assert "p90" in [one["id"] for one in found]
    said = tesserec("evaluate run")
    assert said.code == 1
    assert "updated" in said.err


def test_a_second_call_with_the_same_items_changes_nothing(tesserec, shop: Path, new: Path) -> None:
    assert tesserec(f"fit shop ContentKNN --out run {FIT}").code == 0
    assert tesserec("update run --items new.csv --quiet").code == 0
    before = Path("run/model/manifest.json").read_text()
    said = tesserec("update run --items new.csv --json")
    assert (said.json["items"], said.json["known"]) == (0, 3)
    assert Path("run/model/manifest.json").read_text() == before


def test_a_model_folder_takes_items_with_vectors(tesserec, shop: Path) -> None:
    assert tesserec("data import shop data").code == 0
    assert tesserec("encode data --modality text --set dim=4").code == 0
    assert tesserec(f"fit data ContentKNN --out run {FIT}").code == 0
    pl.DataFrame({"id": ["p90"], "text": [[1.0, 0.0, 0.0, 0.0]]}).write_parquet("new.parquet")
    said = tesserec("update run/model --items new.parquet --json")
    assert said.code == 0, said.err
    assert said.json["items"] == 1
    assert not Path("run/updated").exists()
    assert tesserec("evaluate run").code == 1
    assert "p90" in recommended(tesserec, "run", "p00,p01")
    pl.DataFrame({"id": ["p91"], "text": [[1.0, 0.0]]}).write_parquet("new.parquet")
    said = tesserec("update run/model --items new.parquet --json")
    assert said.code == 1
    assert "wide" in said.err
    pl.DataFrame({"id": ["p91"]}).write_parquet("new.parquet")
    said = tesserec("update run/model --items new.parquet --json")
    assert said.code == 1
    assert "vectors" in said.json["error"]
    assert said.json["cure"]


def test_a_data_folder_brings_its_vectors(tesserec, shop: Path) -> None:
    assert tesserec("data import shop data").code == 0
    assert tesserec("encode data --modality text --set dim=4").code == 0
    assert tesserec(f"fit data ContentKNN --out run {FIT}").code == 0
    lines = (shop / "items.csv").read_text() + "p90,garden hose number 90,3.5\n"
    (shop / "items.csv").write_text(lines)
    assert tesserec("data import shop later").code == 0
    assert tesserec("encode later --modality text --set dim=4").code == 0
    said = tesserec("update run --items later --json")
    assert said.code == 0, said.err
    assert (said.json["items"], said.json["known"]) == (1, 12)


def test_a_table_of_texts_is_not_enough_where_vectors_came_with_the_data(
    tesserec, shop: Path, new: Path
) -> None:
    assert tesserec("data import shop owned").code == 0
    assert tesserec("encode owned --modality text").code == 0
    assert tesserec(f"fit owned ContentKNN --out run {FIT}").code == 0
    said = tesserec("update run --items new.csv")
    assert said.code == 1
    assert "came with its data" in said.err


def test_a_method_that_knows_items_by_events_says_so(tesserec, shop: Path, new: Path) -> None:
    short = "--set dim=4 --set schedule.epochs=1"
    assert tesserec(f"fit shop MF --out run {FIT} {short}").code == 0
    before = Path("run/model/manifest.json").read_text()
    said = tesserec("update run --items new.csv --json")
    assert said.code == 1
    assert "MF" in said.json["error"]
    assert said.json["cure"]
    assert Path("run/model/manifest.json").read_text() == before


def test_the_model_that_answers_for_several_seeds_is_updated(
    tesserec, shop: Path, new: Path
) -> None:
    short = "--set dim=4 --set schedule.epochs=1"
    assert tesserec(f"fit shop BM3 --out run {FIT} --seeds 2 {short}").code == 0
    assert tesserec("update run --items new.csv --quiet").code == 0
    assert set(recommended(tesserec, "run", "p01,p03", 14)) >= {"p90", "p91"}
    assert set(recommended(tesserec, "run/model", "p01,p03", 14)) >= {"p90", "p91"}


def test_items_are_asked_for(tesserec, shop: Path) -> None:
    assert tesserec("update run").code == 2


def test_ten_new_items_among_ten_thousand_take_less_than_five_seconds(
    tesserec, tmp_path: Path
) -> None:
    """Promise 19; by the model's clock, as what else the machine does is not to be foreseen."""
    words = ["garden", "hose", "tea", "mug", "lamp", "chair", "river", "stone"]
    titles = [f"{words[n % 8]} {words[n // 8 % 8]} {n}" for n in range(10_000)]
    events = pl.DataFrame({"user": [n % 500 for n in range(10_000)], "item": range(10_000)})
    (tmp_path / "big").mkdir()
    events.with_columns(time=pl.col("item")).write_csv(tmp_path / "big" / "interactions.csv")
    items = pl.DataFrame({"id": range(10_000), "title": titles})
    items.write_csv(tmp_path / "big" / "items.csv")
    assert tesserec(f"fit big ContentKNN --out run {FIT}").code == 0
    more = pl.DataFrame({"id": range(10_000, 10_010), "title": ["tea mug 26"] * 10})
    more.write_csv(tmp_path / "more.csv")
    began = time.process_time()
    said = tesserec("update run --items more.csv --json")
    assert said.code == 0, said.err
    assert time.process_time() - began < 5
    found = tesserec("recommend run --history 26 --json").json["items"]
    assert {one["id"] for one in found} == set(range(10_000, 10_010))
