"""`tesserec tokenize`, as a person types it, and what the ids are good for afterwards."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

import tesserec as tr
from tesserec.data import format
from tesserec.data.intake.codes import CODES, read_codes

SMALL = "tokenize data --quantizer rqkmeans --levels 2 --codes 4"


@pytest.fixture
def data(tesserec, shop: Path) -> Path:
    """The shop as a data folder, with vectors of its titles."""
    assert tesserec("data import shop data").code == 0
    line = "encode data --modality text --set dim=4 --set least=1"
    assert tesserec(line).code == 0
    return Path("data")


def table(name: str = "rqkmeans") -> torch.Tensor:
    return tr.read("data").catalog.items.codes[name].table


def test_items_get_ids_that_the_data_are_read_with(tesserec, data: Path) -> None:
    said = tesserec(f"{SMALL} --category title --seed 3 --json")
    assert said.code == 0, said.err
    told = said.json
    codes = tr.read("data").catalog.items.codes["rqkmeans"]
    assert codes.unique
    assert list(codes.sizes) == told["sizes"] == [4, 4, 64]
    assert (told["seed"], told["quantizer"]["levels"]) == (3, 2)
    assert told["learned_from"]["items"] == 12
    distinct = len(codes.table[:, :2].unique(dim=0))
    assert told["statistics"]["collisions"] == pytest.approx(1 - distinct / 12)
    assert told["statistics"]["collisions_left"] == 0
    assert told["categories"]["column"] == "title"
    facts = json.loads(Path("data/dataset.json").read_text())
    assert facts["fingerprint"] == tr.read("data").fingerprint
    assert json.loads((data / "semantic_ids.rqkmeans.json").read_text())["key"] == told["key"]
    assert "rqkmeans (2 x 4, 1 x 64 tokens, all different)" in tesserec("data describe data").out


def test_the_same_seed_gives_the_same_file(tesserec, data: Path) -> None:
    tesserec(f"{SMALL} --seed 1")
    first = (data / CODES).read_bytes()
    tesserec(f"{SMALL} --seed 1")
    assert (data / CODES).read_bytes() == first


def test_figures_are_printed_and_a_page_shows_items(tesserec, data: Path) -> None:
    said = tesserec(SMALL)
    assert "items collide" in said.out
    assert "perplexity" in said.out
    page = (data / "semantic_ids.rqkmeans.html").read_text()
    assert "tea mug number" in page
    assert "<svg" in page
    assert "http" not in page


def test_sets_of_other_names_are_kept_and_one_can_be_taken(tesserec, data: Path) -> None:
    tesserec(SMALL)
    before = table()
    tesserec(f"{SMALL} --name other --set rounds=1 --seed 9")
    said = tesserec("tokenize data --quantizer Given --set name=other --name third --json")
    assert said.code == 0, said.err
    assert said.json["statistics"]["error"] is None
    assert said.json["learned_from"]["items"] == 0
    assert torch.equal(table(), before)
    assert torch.equal(table("other"), table("third"))


def with_new_items(data: Path, titles: dict[str, str]) -> None:
    """Rows more in the table of items, sorted among the others, and vectors for them."""
    frame = pl.read_parquet(data / "items.parquet")
    before = np.load(data / "vectors" / "items.text.npy")
    more = pl.DataFrame({"id": list(titles), "title": list(titles.values())})
    rows = pl.concat([frame.with_row_index("row"), more], how="diagonal").sort("id")
    rows.drop("row").write_parquet(data / "items.parquet")
    place = rows["row"].fill_null(0).to_numpy()  # new items are made of what the first is made of
    np.save(data / "vectors" / "items.text.npy", before[place])
    np.save(data / "vectors" / "items.text.mask.npy", np.ones(len(place), bool))
    format.add_vectors(data, "text")


def test_new_items_get_ids_and_nobody_elses_change(tesserec, data: Path) -> None:
    tesserec(SMALL)
    before = dict(zip(tr.read("data").catalog.items.ids, table().tolist(), strict=True))
    with_new_items(data, {"a0": "tea mug", "p055": "tea mug", "z9": "tea mug"})
    stale = tesserec("data describe data")
    assert stale.code == 1
    assert "tokenize DATA --add" in stale.err
    said = tesserec("tokenize data --add --json")
    assert said.code == 0, said.err
    assert said.json["sets"] == [{"name": "rqkmeans", "new": 3, "gone": 0, "alike": 1.0}]
    after = tr.read("data")
    codes = after.catalog.items.codes["rqkmeans"]
    assert codes.unique
    now = dict(zip(after.catalog.items.ids, codes.table.tolist(), strict=True))
    assert {item: now[item] for item in before} == before
    first = after.catalog.items.ids[1]  # a0 came before it
    assert {tuple(now[item][:2]) for item in ("a0", "p055", "z9")} == {tuple(before[first][:2])}
    again = tesserec("tokenize data --add --json").json["sets"]
    assert again[0]["new"] == 0


def test_items_that_are_gone_lose_their_ids_alone(tesserec, data: Path) -> None:
    tesserec(SMALL)
    before = table().tolist()
    (data / "interactions.parquet").unlink()
    facts = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**facts, "events": 0, "vectors": {}}))
    pl.read_parquet(data / "items.parquet")[2:].write_parquet(data / "items.parquet")
    assert tesserec("tokenize data --add --json").json["sets"][0]["gone"] == 2
    assert table().tolist() == before[2:]


def test_without_its_codebook_a_set_cannot_grow(tesserec, data: Path) -> None:
    tesserec(SMALL)
    with_new_items(data, {"z9": "tea mug"})
    weights = data / "semantic_ids.rqkmeans.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8] + bytes(8))
    said = tesserec("tokenize data --add")
    assert said.code == 1
    assert "is not what made 'rqkmeans'" in said.err
    weights.unlink()
    assert "no codebook" in tesserec("tokenize data --add").err
    weights.write_bytes(whole)
    assert tesserec("tokenize data --add").code == 0


def test_vectors_that_are_others_than_before_show_in_what_is_told(tesserec, data: Path) -> None:
    tesserec("tokenize data --levels 1 --codes 12")
    with_new_items(data, {"z9": "tea mug"})
    table = np.load(data / "vectors" / "items.text.npy")
    np.save(data / "vectors" / "items.text.npy", -table)
    said = tesserec("tokenize data --add --json")
    assert said.code == 0, said.err
    assert said.json["sets"][0]["alike"] < 0.5
    assert "vectors" in said.err


def test_a_file_elsewhere_leaves_the_data_as_they_are(tesserec, data: Path) -> None:
    fingerprint = tr.read("data").fingerprint
    said = tesserec(f"{SMALL} --out elsewhere/ids.parquet")
    assert said.code == 0, said.err
    assert tr.read("data").fingerprint == fingerprint
    ids = read_codes(Path("elsewhere/ids.parquet")).of(tr.read("data").catalog.items)
    assert ids["rqkmeans"].unique
    assert "codes" not in load_file("elsewhere/ids.rqkmeans.safetensors")


def test_what_is_held_out_is_not_learned_from(tesserec, data: Path) -> None:
    tesserec("data split data parted --split time")
    tesserec("encode parted --modality text --set dim=3 --set least=1")
    frame = tr.read("parted").interactions.frame
    trained = frame.filter(pl.col("split") == "train")["item"].n_unique()
    said = tesserec("tokenize parted --levels 1 --codes 3 --json")
    assert said.json["learned_from"]["items"] == trained


def test_ids_that_came_later_change_no_run(tesserec, data: Path) -> None:
    tesserec("fit data Popular --out runs/one --split last")
    tesserec(SMALL)
    said = tesserec("evaluate runs/one --metrics hit@2 --json")
    assert said.code == 0, said.err
    tesserec("fit data Popular --out runs/two --split last")
    assert tr.Study.read(Path("runs/two/study.toml")).codes == ("rqkmeans",)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("tokenize data --quantizer Nonsense", 2, "RQKMeans"),
        ("tokenize data --vectors smell", 1, "there are text"),
        ("tokenize data --name a/b", 1, "'a/b'"),
        ("tokenize data --category colour", 1, "'colour'"),
        ("tokenize data --levels 0", 2, "levels"),
        ("tokenize data --add", 1, "without --add"),
        ("tokenize data --add --quantizer rqkmeans", 2, "--add"),
        ("tokenize shop", 1, "tesserec data import"),
        ("tokenize data --quantizer Given", 1, "there are none"),
    ],
)
def test_wrong_use_says_what_to_do(tesserec, data: Path, line: str, code: int, words: str) -> None:
    said = tesserec(line)
    assert said.code == code
    assert words in said.err
    assert not list(data.glob("semantic_ids*"))


def test_killed_at_any_moment_the_ids_there_were_are_whole(tesserec, data: Path) -> None:
    tesserec(SMALL)
    with_new_items(data, {"z9": "tea mug"})
    tesserec("tokenize data --add")
    before = (data / CODES).read_bytes()
    script = (
        "import os, signal, sys\n"
        "moment, calls, replace = int(sys.argv[1]), [], os.replace\n"
        "def killing(old, new):\n"
        "    calls.append(new)\n"
        "    if len(calls) == moment:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    replace(old, new)\n"
        "os.replace = killing\n"
        "from tesserec.cli.app import run\n"
        "run('tokenize data --levels 2 --codes 5 --seed 8 --quiet'.split())\n"
    )
    for moment in (1, 2, 3):  # the weights, the notes, the ids
        command = [sys.executable, "-c", script, str(moment)]
        ended = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert (data / CODES).read_bytes() == before
        assert tr.read("data").catalog.items.codes["rqkmeans"].unique
    assert tesserec("tokenize data --levels 2 --codes 5 --seed 8").code == 0
    assert (data / CODES).read_bytes() != before
