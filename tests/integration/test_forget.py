"""`tesserec forget`: data, model, files, and a receipt (promise 19)."""

from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

FIT = "--split last --quiet --seed 3 --set dim=8 --set batches.size=16 --set schedule.epochs=3"


@pytest.fixture
def run(tesserec, shop: Path) -> Path:
    """MF on a data folder in which everybody's id can be searched for."""
    path = shop / "interactions.csv"
    path.write_text(path.read_text().replace("c0", "customer-0"))
    assert tesserec("data import shop data").code == 0
    assert tesserec(f"fit data MF --out run {FIT}").code == 0
    return Path("run")


def test_a_forgotten_user_is_in_no_file_and_the_model_is_as_if_they_had_never_been(
    tesserec, run: Path, shop: Path
) -> None:
    assert tesserec("evaluate run --quiet").code == 0
    said = tesserec("forget run --user customer-03 --json")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["removed"] == {"events in the data": 5}
    assert len(said.json["checks"]) == 4
    for folder in (run, Path("data")):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"customer-03" not in path.read_bytes()
    users = pl.read_parquet("data/users.parquet")["id"].to_list()
    assert len(users) == 29
    assert "customer-03" not in users
    # The same study on a shop that never knew them.
    lines = (shop / "interactions.csv").read_text().splitlines(keepends=True)
    (shop / "interactions.csv").write_text("".join(x for x in lines if "customer-03" not in x))
    assert tesserec("data import shop never").code == 0
    assert tesserec(f"fit never MF --out other {FIT}").code == 0
    mine, theirs = (load_file(f"{one}/model/weights.safetensors") for one in ("run", "other"))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert tesserec("recommend run --user customer-04 --json").code == 0
    assert tesserec("recommend run --user customer-03").code == 1
    assert tesserec("evaluate run --quiet").code == 0


def test_receipts_are_kept_and_a_second_call_says_that_nobody_is_known(tesserec, run: Path) -> None:
    assert tesserec("forget run --user customer-03 --quiet").code == 0
    first = (run / "forgotten" / "1.json").read_text()
    again = tesserec("forget run --user customer-03")
    assert again.code == 1
    assert "knows" in again.err
    said = tesserec("forget run --item p03 --json --quiet")
    assert said.code == 0, said.err
    assert said.json["inference"] is None
    assert (run / "forgotten" / "1.json").read_text() == first
    assert (run / "forgotten" / "2.json").is_file()
    assert "p03" not in pl.read_parquet("data/items.parquet")["id"].to_list()
    assert "p03" not in pl.read_parquet("data/interactions.parquet")["item"].to_list()
    assert tesserec("similar run --item p03").code == 1


def test_a_call_that_was_cut_off_after_the_data_goes_on_with_the_model(tesserec, run: Path) -> None:
    from tesserec.data import format
    from tesserec.data.transforms import without

    format.write(without(format.read(Path("data")), users=["customer-03"])[0], "data")
    said = tesserec("forget run --user customer-03 --json --quiet")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["removed"] == {"events in the data": 0}


def test_data_that_are_not_ours_are_left_as_they_are(tesserec, run: Path, shop: Path) -> None:
    assert tesserec(f"fit shop MF --out raw {FIT}").code == 0
    before = (shop / "interactions.csv").read_text()
    said = tesserec("forget raw --user customer-03")
    assert said.code == 1
    assert "tesserec data import" in said.err
    assert (shop / "interactions.csv").read_text() == before


def test_one_of_user_and_item_is_asked_for(tesserec, run: Path) -> None:
    assert tesserec("forget run").code == 2
    assert tesserec("forget run --user a --item b").code == 2
