"""`tesserec tokenize`, as a person types it, and what the ids are good for afterwards."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import load_file, save_file

import tesserec as tr
from tesserec.data import format
from tesserec.data.intake.codes import CODES, read_codes
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans

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


def test_a_table_fits_a_narrow_terminal_and_numbers_are_whole(tesserec, data: Path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = tesserec("tokenize data --quantizer rqkmeans --levels 3 --codes 1000 --category title")
    head = next(line for line in said.out.splitlines() if "perplexity" in line)
    assert head.split()[-3:] == ["knows", "together", "chance"]
    assert "/1,000" in said.out
    assert "…" not in said.out
    assert "All items have the same token at level" in said.out


def test_a_page_says_how_its_examples_were_chosen(tesserec, data: Path) -> None:
    tesserec(SMALL)
    tesserec("tokenize data --quantizer randomids --levels 2 --codes 4")
    pages = [(data / f"semantic_ids.{name}.html").read_text() for name in ("rqkmeans", "randomids")]
    assert "items most typical of them" in pages[0]
    assert "items most often chosen" in pages[1]


def test_where_nothing_can_be_written_nothing_is_learned(tesserec, data: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, how: place != data.absolute())
    monkeypatch.setattr(RQKMeans, "fit", lambda *_: pytest.fail("learned"))
    said = tesserec(SMALL)
    assert said.code == 1
    assert f"{data.absolute()} cannot be written to." in said.err


def test_what_is_not_there_or_damaged_is_said_with_a_way_out(tesserec, data: Path) -> None:
    for line in ("tokenize nodata --quantizer rqkmeans", "tokenize nodata --add --out x.parquet"):
        assert "nodata is not there." in tesserec(line).err
    (data / CODES).write_bytes(b"no parquet")
    assert "Delete it, and tokenize again." in tesserec(SMALL).err


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


def test_looking_at_ids_leaves_them_as_they_are_each_time(tesserec, data: Path) -> None:
    tesserec(SMALL)
    before = (data / CODES).read_bytes()
    for _ in range(2):
        said = tesserec("tokenize data --quantizer Given --json")
        assert said.code == 0, said.err
        assert said.json["statistics"]["items"] == 12
        assert not said.json["written"]
        assert (data / CODES).read_bytes() == before
    assert "tea mug number" in (data / "semantic_ids.given.html").read_text()
    assert "is as it was" in tesserec("tokenize data --quantizer Given").out


def test_a_copy_of_ids_can_be_made_again(tesserec, data: Path) -> None:
    tesserec(SMALL)
    for _ in range(2):
        said = tesserec("tokenize data --quantizer Given --name again --json")
        assert said.code == 0, said.err
        assert said.json["written"]
    assert torch.equal(table("again"), table())
    assert tesserec("tokenize data --quantizer Given --out elsewhere.parquet").code == 1
    said = tesserec("tokenize data --quantizer Given --set name=again --out elsewhere.parquet")
    assert said.code == 0, said.err
    assert set(read_codes(Path("elsewhere.parquet")).sets) == {"given"}


def test_one_file_may_be_named_in_several_ways(tesserec, data: Path) -> None:
    for name in ("one", "two", "two"):
        said = tesserec(f"{SMALL} --name {name} --out {(data / CODES).resolve()}")
        assert said.code == 0, said.err
        facts = json.loads((data / "dataset.json").read_text())
        assert facts["fingerprint"] == tr.read("data").fingerprint
    with_new_items(data, {"z9": "tea mug"})
    said = tesserec(f"tokenize data --add --out {(data / CODES).resolve()}")
    assert said.code == 0, said.err
    facts = json.loads((data / "dataset.json").read_text())
    assert facts["fingerprint"] == tr.read("data").fingerprint


def test_older_ids_are_replaced_however_their_file_is_named(tesserec, data: Path) -> None:
    tesserec(SMALL)
    with_new_items(data, {"z9": "tea mug"})
    said = tesserec(f"{SMALL} --out {(data / CODES).resolve()}")
    assert said.code == 0, said.err
    assert len(table()) == 13


def test_a_file_of_something_else_is_not_replaced(tesserec, data: Path) -> None:
    pl.DataFrame({"id": ["p00"]}).write_parquet("things.parquet")
    before = Path("things.parquet").read_bytes()
    said = tesserec(f"{SMALL} --out things.parquet")
    assert said.code == 1
    assert "would be lost" in said.err
    assert Path("things.parquet").read_bytes() == before


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


def test_figures_and_page_tell_new_items_as_well(tesserec, data: Path) -> None:
    tesserec(f"{SMALL} --category title")
    with_new_items(data, {"a0": "tea mug", "z9": "a new whistle"})
    told = json.loads((data / "semantic_ids.rqkmeans.json").read_text())
    said = tesserec("tokenize data --add --json")
    assert said.json["pages"] == ["data/semantic_ids.rqkmeans.html"]
    renewed = json.loads((data / "semantic_ids.rqkmeans.json").read_text())
    assert renewed["statistics"]["items"] == renewed["categories"]["items"] == 14
    assert renewed["statistics"]["collisions"] == pytest.approx(
        1 - len(table()[:, :2].unique(dim=0)) / 14
    )
    figures = ("statistics", "categories")
    assert {**renewed, **{name: told[name] for name in figures}} == told
    assert "a new whistle" in (data / "semantic_ids.rqkmeans.html").read_text()


def test_figures_that_cannot_be_made_again_are_said_to_be_older(tesserec, data: Path) -> None:
    tesserec(f"{SMALL} --category title")
    with_new_items(data, {"z9": "tea mug"})
    items = pl.read_parquet(data / "items.parquet")
    items.rename({"title": "label"}).write_parquet(data / "items.parquet")
    said = tesserec("tokenize data --add --json")
    assert said.json["sets"][0]["new"] == 1
    assert said.json["pages"] == []
    assert "those from before" in said.err
    assert "'title'" in said.err
    told = json.loads((data / "semantic_ids.rqkmeans.json").read_text())
    assert told["statistics"]["items"] == 12


TEACHER = "--set teacher.kind=MF --set teacher.dim=4 --set teacher.schedule.epochs=2"


def test_ids_that_tell_who_chooses_an_item_grow_again_and_again(tesserec, data: Path) -> None:
    line = f"tokenize data --quantizer Collaborative --levels 2 --codes 4 {TEACHER}"
    assert tesserec(line).code == 0
    for new in ("a0", "z9"):  # the first comes before all others, the last after them
        ids = tr.read("data").catalog.items.ids
        before = dict(zip(ids, table("collaborative").tolist(), strict=True))
        with_new_items(data, {new: "tea mug"})
        said = tesserec("tokenize data --add --json")
        assert said.code == 0, said.err
        assert said.json["sets"][0]["new"] == said.json["sets"][0]["alike"] == 1
        items = tr.read("data").catalog.items
        now = dict(zip(items.ids, table("collaborative").tolist(), strict=True))
        assert {item: now[item] for item in before} == before


def test_what_says_nothing_of_items_of_a_codebook_is_about_those_with_ids(
    tesserec, data: Path
) -> None:
    line = f"tokenize data --quantizer Collaborative --levels 2 --codes 4 {TEACHER}"
    assert tesserec(line).code == 0
    weights = data / "semantic_ids.collaborative.safetensors"
    tensors = load_file(weights)
    tensors.pop("ids")  # as it was written once
    save_file(tensors, weights)
    with_new_items(data, {"a0": "tea mug"})
    said = tesserec("tokenize data --add --json")
    assert said.code == 0, said.err
    assert said.json["sets"][0]["alike"] == 1


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
    notes = data / "semantic_ids.rqkmeans.json"
    told = notes.read_text()
    notes.write_text('{"key": "none"}')
    assert "does not say which quantizer made 'rqkmeans'" in tesserec("tokenize data --add").err
    notes.write_text(told)
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


def test_nothing_is_learned_where_all_is_held_out(tesserec, data: Path) -> None:
    events = pl.read_parquet(data / "interactions.parquet")
    events.with_columns(split=pl.lit("test")).write_parquet(data / "interactions.parquet")
    said = tesserec(SMALL)
    assert said.code == 1
    assert "no training events" in said.err
    assert not list(data.glob("semantic_ids*"))


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
        ("tokenize data --name item", 1, "'item'"),
        ("tokenize data --name item_id", 1, "'item_id'"),
        ("tokenize data --name Item-ID", 1, "'Item-ID'"),
        ("tokenize data --out shop", 1, "--out shop/semantic_ids.parquet"),
        ("tokenize data --category colour", 1, "'colour'"),
        ("tokenize data --levels 0", 2, "levels"),
        ("tokenize data --add", 1, "without --add"),
        ("tokenize data --add --quantizer rqkmeans", 2, "--add"),
        ("tokenize data --add --levels 0", 2, "--add"),
        ("tokenize data --add --seed 0", 2, "--add"),
        ("tokenize data --add --device cpu", 2, "--add"),
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


def test_at_any_moment_the_ids_there_are_have_their_codebook(
    tesserec, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tesserec(SMALL)
    before, moments, replacing = table().tolist(), [], os.replace

    def photographed(old: Path, new: Path) -> None:
        moments.append(shutil.copytree(data, f"moment{len(moments)}"))
        replacing(old, new)

    again = "tokenize data --levels 2 --codes 5 --seed 8"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", photographed)
        assert tesserec(again).code == 0
    after, states = table().tolist(), []
    for moment in moments:  # as a kill leaves the folder
        shutil.rmtree(data)
        shutil.move(moment, data)
        states.append(table().tolist())
        with_new_items(data, {"z9": "tea mug"})
        said = tesserec("tokenize data --add")
        assert said.code == 0, said.err
        assert table().tolist()[:-1] == states[-1]
        shutil.rmtree("copy", ignore_errors=True)
        tr.write(tr.read("data"), "copy")
        assert len(list(Path("copy").glob("semantic_ids.rqkmeans.*"))) == 2
        assert tesserec(again).code == 0  # which tidies up
        assert len(list(data.glob("semantic_ids.rqkmeans.*"))) == 3  # weights, notes, page
    first = states.index(after)
    assert first >= 1
    assert states == [before] * first + [after] * (len(states) - first)
    assert first < len(states) - 1


def test_where_the_ids_find_no_room_those_from_before_still_grow(
    tesserec, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tesserec(SMALL)
    before = {path.name: path.read_bytes() for path in data.glob("semantic_ids*")}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(parquet, "write_table", full)
        said = tesserec("tokenize data --levels 2 --codes 5 --seed 8")
        assert said.code == 1
        assert "No room" in said.err
    assert {path.name: path.read_bytes() for path in data.glob("semantic_ids*")} == before
    with_new_items(data, {"z9": "tea mug"})
    assert tesserec("tokenize data --add").code == 0
