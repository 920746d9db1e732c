"""A data folder gets vectors, whole or not at all, and its readers see them with their mask."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tesserec as tr
from tesserec.content import TfidfSVD
from tesserec.content.folder import encode_folder
from tesserec.core.errors import BadData, BadRequest, DiskFull, NoContent
from tesserec.data.describe import describe
from tesserec.data.format import write
from toys.encoders import Spelled
from unit.content.test_encoding import TITLES, shop, spelled

TOYS = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    write(shop(TITLES), tmp_path / "data")
    return tmp_path / "data"


def test_vectors_and_mask_are_read_with_the_data(folder):
    encode_folder(folder, Spelled())
    items = tr.read(folder).catalog.items
    assert items.vectors["text"].tolist() == [spelled(text) for text in TITLES]
    assert items.present("text").tolist() == [text is not None for text in TITLES]
    assert (
        tr.read(folder).fingerprint
        == json.loads((folder / "dataset.json").read_text())["fingerprint"]
    )


def test_the_facts_beside_them_say_how_they_were_made(folder):
    write(shop([*TITLES[:-1], "bad"]), folder)
    encode_folder(folder, Spelled(scale=2.0))
    facts = json.loads((folder / "vectors" / "items.text.json").read_text())
    assert facts["encoder"]["kind"] == "Spelled"
    assert facts["encoder"]["scale"] == 2.0
    assert facts["encoder"]["columns"] == ["title"]
    assert (facts["width"], facts["items"], facts["present"], facts["missing"]) == (3, 9, 7, 1)
    assert facts["failed"] == {"it is bad": 1}
    failed = pl.read_parquet(folder / "vectors" / "items.text.failed.parquet")
    assert failed.rows() == [(8, "it is bad")]


def test_half_precision_is_written_as_such_and_close(folder):
    encode_folder(folder, Spelled(), precision="float16")
    assert np.load(folder / "vectors" / "items.text.npy").dtype == np.float16
    assert tr.read(folder).catalog.items.vectors["text"].tolist()[0] == spelled("mug")


def test_the_facts_tell_the_precision_of_the_file_whatever_the_encoder(folder):
    titles = ["red mug", "red pot", "blue mug", "blue pot"]
    write(shop(titles, [("u", item) for item in range(4)]), folder)
    for encoder in (Spelled(), TfidfSVD(least=1, dim=2)):
        assert encode_folder(folder, encoder, precision="float16").facts["dtype"] == "float16"
        assert np.load(folder / "vectors" / "items.text.npy").dtype == np.float16


@pytest.mark.parametrize("name", ["../outside", "text.mask", "a b", "/tmp/x"])
def test_a_name_that_is_no_plain_word_is_refused(folder, name):
    with pytest.raises(BadRequest, match="cannot be called"):
        encode_folder(folder, Spelled(), name=name)
    assert not (folder / "vectors").exists()


def test_vectors_of_another_name_stay(folder):
    encode_folder(folder, Spelled(), name="first")
    encode_folder(folder, Spelled(scale=3.0), name="second")
    vectors = tr.read(folder).catalog.items.vectors
    assert (vectors["second"] == 3 * vectors["first"]).all()


def test_missing_content_is_counted_though_its_rows_are_not_zero(folder):
    encode_folder(folder, Spelled(centred=True))
    assert describe(tr.read(folder)).missing["items.text vectors"] == pytest.approx(1 / 9)


def test_a_failure_leaves_the_old_vectors(folder):
    encode_folder(folder, Spelled())
    before = tr.read(folder).catalog.items.vectors["text"].clone()
    with pytest.raises(NoContent):
        encode_folder(folder, Spelled(columns=("subtitle",)))
    assert (tr.read(folder).catalog.items.vectors["text"] == before).all()
    assert not [path for path in (folder / "vectors").iterdir() if path.name.endswith(".part")]


def test_broken_old_vectors_do_not_keep_new_ones_out(folder):
    encode_folder(folder, Spelled())
    (folder / "vectors" / "items.text.npy").write_bytes(b"broken")
    with pytest.raises(BadData, match=r"items\.text\.npy"):
        tr.read(folder)
    encode_folder(folder, Spelled())
    assert tr.read(folder).catalog.items.vectors["text"].tolist()[0] == spelled("mug")


def test_a_folder_in_another_format_is_not_touched(tmp_path):
    (tmp_path / "items.csv").write_text("id,title\n1,mug\n")
    with pytest.raises(BadData, match="tesserec data import"):
        encode_folder(tmp_path, Spelled())
    assert [path.name for path in tmp_path.iterdir()] == ["items.csv"]


def test_splitting_brings_vectors_notes_and_media_along(folder, tmp_path):
    encode_folder(folder, Spelled())
    (folder / "media").mkdir()
    pl.DataFrame({"item": [0], "bytes": [b"x"]}).write_parquet(folder / "media" / "image.parquet")
    write(tr.read(folder), tmp_path / "copy")
    copied = tr.read(tmp_path / "copy")
    assert copied.fingerprint == tr.read(folder).fingerprint
    assert (tmp_path / "copy" / "vectors" / "items.text.json").is_file()
    assert (tmp_path / "copy" / "media" / "image.parquet").is_file()


def test_tfidf_learns_from_training_items_and_marks_who_has_no_text(folder):
    titles = ["red mug", "red pot", "blue mug", "blue pot", "zebra zebra", None]
    events = [("u", item) for item in range(5)]
    write(shop(titles, events, ["train"] * 4 + ["test"]), folder)
    encode_folder(folder, TfidfSVD(least=1, dim=3, letters=None))
    items = tr.read(folder).catalog.items
    assert items.present("text").tolist() == [True] * 5 + [False]
    assert not items.vectors["text"][4].any()  # a word that no training item has
    assert items.vectors["text"][:4].norm(dim=1).tolist() == pytest.approx([1] * 4, abs=1e-5)


def test_the_text_of_an_item_that_is_held_out_leaves_no_trace_in_the_others(folder):
    events = [("u", item) for item in range(5)]
    tables = []
    for last in ("green mug", "zebra zebra red"):
        titles = ["red mug", "red pot", "blue mug", "blue pot", last]
        write(shop(titles, events, ["train"] * 4 + ["test"]), folder)
        facts = encode_folder(folder, TfidfSVD(least=1, dim=3)).facts
        tables.append((tr.read(folder).catalog.items.vectors["text"].clone(), facts["content"]))
    (one, content), (other, changed) = tables
    assert (one[:4] == other[:4]).all()
    assert (one[4] != other[4]).any()
    assert content != changed


ENCODE = """
import sys
from pathlib import Path
from tesserec.content.folder import encode_folder
from toys.encoders import Spelled
print(encode_folder(Path(sys.argv[1]), Spelled(batch=1)).facts["looked_at"])
"""


def test_killed_while_encoding_it_goes_on_where_it_was(tmp_path):
    titles = [f"{number} is a number" for number in range(1500)]
    write(shop(titles), tmp_path / "data")
    environment = {**os.environ, "PYTHONPATH": f"{TOYS}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", ENCODE, str(tmp_path / "data")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    entries = "Spelled-*/index.bin"
    cache = tmp_path / "data" / ".encoding"
    while process.poll() is None and not any(p.stat().st_size > 9000 for p in cache.glob(entries)):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "data" / "vectors").glob("items.*.npy"))
    assert not tr.read(tmp_path / "data").catalog.items.vectors
    done = encode_folder(tmp_path / "data", Spelled(batch=1))
    assert 0 < done.facts["looked_at"] < len(titles) - 200
    vectors = tr.read(tmp_path / "data").catalog.items.vectors["text"]
    assert vectors.tolist() == [spelled(title) for title in titles]


def test_a_full_disk_is_said_and_the_old_vectors_stay(small_disk):
    titles = [f"{number} is a number" for number in range(2000)]
    write(shop(titles), small_disk / "data")
    encode_folder(small_disk / "data", Spelled(batch=100))
    left = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "ballast").write_bytes(b"x" * (left - (40 << 10)))
    with pytest.raises(DiskFull, match=r"rows\.bin"):
        encode_folder(small_disk / "data", Spelled(batch=100, scale=2.0))
    vectors = tr.read(small_disk / "data").catalog.items.vectors["text"]
    assert vectors.tolist() == [spelled(title) for title in titles]
    (small_disk / "ballast").unlink()
    done = encode_folder(small_disk / "data", Spelled(batch=100, scale=2.0))
    assert 0 < done.facts["looked_at"] < 2000
