"""`tesserec encode`, as a person types it, and what the vectors are good for afterwards."""

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tesserec as tr


@pytest.fixture
def data(tesserec, shop: Path) -> Path:
    """The shop as a data folder."""
    assert tesserec("data import shop data").code == 0
    return Path("data")


def pictures(folder: Path) -> None:
    """A red or a blue picture for eleven products, and something else for the twelfth."""
    from PIL import Image

    rows = []
    for product in range(11):
        colour = (200 + product, 20, 20) if product % 2 else (20, 20, 200 + product)
        file = io.BytesIO()
        Image.new("RGB", (24, 16), colour).save(file, "PNG")
        rows.append({"item": f"p{product:02d}", "bytes": file.getvalue()})
    rows.append({"item": "p11", "bytes": b"no picture"})
    (folder / "media").mkdir()
    pl.DataFrame(rows).write_parquet(folder / "media" / "image.parquet")


def test_texts_become_vectors_that_bm3_learns_from(tesserec, data: Path) -> None:
    said = tesserec("encode data --modality text --set dim=4 --set least=1 --json")
    assert said.code == 0, said.err
    assert said.json["name"] == "text"
    assert (said.json["items"], said.json["present"], said.json["width"]) == (12, 12, 4)
    assert said.json["encoder"]["columns"] == ["title"]
    assert tr.read("data").catalog.items.vectors["text"].shape == (12, 4)
    line = "fit data BM3 --out runs/bm3 --split last --set dim=4 --set schedule.epochs=2"
    fitted = tesserec(line)
    assert fitted.code == 0, fitted.err
    assert "Nearest by text" in Path("runs/bm3/report.html").read_text()


def test_a_page_shows_what_is_nearest(tesserec, data: Path) -> None:
    said = tesserec("encode data --modality text --set dim=4 --set least=1 --json")
    page = Path(said.json["page"]).read_text()
    assert "Nearest by text" in page
    assert "tea mug number 0" in page


def test_pictures_become_vectors_and_a_broken_one_is_listed(tesserec, data: Path) -> None:
    pictures(data)
    said = tesserec("encode data --modality image --json")
    assert said.code == 0, said.err
    assert (said.json["present"], sum(said.json["failed"].values())) == (11, 1)
    items = tr.read("data").catalog.items
    red, blue = (items.vectors["image"][[1 - n, 3 - n, 5 - n]] for n in (0, 1))
    assert (red @ red.T).min() > (red @ blue.T).max()
    assert not items.present("image")[11]
    described = tesserec("data describe data --json").json
    assert described["missing"]["items.image vectors"] == pytest.approx(1 / 12)
    assert "data:image" in Path(said.json["page"]).read_text()


def test_or_stops_at_it(tesserec, data: Path) -> None:
    pictures(data)
    said = tesserec("encode data --modality image --on-error fail")
    assert said.code == 1
    assert "'p11'" in said.err
    assert not list(data.glob("vectors/items.image*"))


def test_a_second_call_looks_at_nothing_twice(tesserec, data: Path) -> None:
    pictures(data)
    first = tesserec("encode data --modality image --json").json
    again = tesserec("encode data --modality image --set dim=8 --json").json
    assert first["looked_at"] == 11
    assert again["looked_at"] == 0
    assert again["width"] == 8


def test_two_kinds_of_vectors_lie_side_by_side(tesserec, data: Path) -> None:
    tesserec("encode data --modality text --name words --set letters=none --set least=1")
    tesserec("encode data --modality text --name letters --columns title --precision float16")
    vectors = tr.read("data").catalog.items.vectors
    assert sorted(vectors) == ["letters", "words"]
    assert np.load("data/vectors/items.letters.npy").dtype == np.float16
    fitted = tesserec("fit data ContentKNN --out runs/knn --split last --vectors letters")
    assert fitted.code == 0, fitted.err
    assert tr.Study.read(Path("runs/knn/study.toml")).vectors == ("letters",)


def test_vectors_that_came_later_change_no_run_and_others_are_chosen(tesserec, data: Path) -> None:
    words = "encode data --modality text --set least=1"
    tesserec(f"{words} --name words --set dim=3")
    tesserec("fit data ContentKNN --out runs/one --split last")
    tesserec(f"{words} --name more --set dim=5")
    said = tesserec("evaluate runs/one --metrics hit@2 --json")
    assert said.code == 0, said.err
    assert tr.Study.read(Path("runs/one/study.toml")).vectors == ("words",)
    line = "run runs/one/study.toml --out runs/two --set metrics=['hit@2'] --set baselines=false"
    again = tesserec(f"{line} --json")
    assert again.code == 0, again.err
    hits = [json.loads(Path(f"runs/{n}/metrics.json").read_text()) for n in ("one", "two")]
    assert hits[0]["metrics"] == hits[1]["metrics"]
    none = tesserec(f"{line.replace('two', 'three')} --set vectors=['smell']")
    assert none.code == 1
    assert "'smell'" in none.err


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("encode data --modality image", 1, "media/image.parquet"),
        ("encode data --modality text --encoder Nonsense", 2, "TfidfSVD"),
        ("encode data --modality image --encoder TfidfSVD", 2, "reads text"),
        ("encode data --modality text --columns subtitle", 1, "'subtitle'"),
        ("encode shop --modality text", 1, "tesserec data import"),
        ("encode data --modality smell", 2, "smell"),
    ],
)
def test_wrong_use_says_what_to_do(tesserec, data: Path, line: str, code: int, words: str) -> None:
    said = tesserec(line)
    assert said.code == code
    assert words in said.err
    assert not list(data.glob("vectors/*"))


def test_only_items_of_the_training_part_are_learned_from(tesserec, data: Path) -> None:
    tesserec("data split data parted --split time")
    frame = tr.read("parted").interactions.frame
    trained = set(frame.filter(pl.col("split") == "train")["item"].to_list())
    said = tesserec("encode parted --modality text --set dim=3 --set least=1 --json")
    assert said.json["learned_from"] == len(trained)
