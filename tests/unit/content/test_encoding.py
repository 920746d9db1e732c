"""Pieces stream through an encoder: every item gets its own vector, equal pieces are read once."""

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import polars as pl
import pytest
import torch

from tesserec.content.encoding import Options, encode
from tesserec.core.errors import BadData, NoContent
from tesserec.data.build import from_tables
from toys.encoders import Bytes, Spelled


def shop(titles, events=(("u", 0),), splits=None, **more):
    """Items 0, 1, ... with these titles."""
    frame = pl.DataFrame(list(events), schema=["user", "item"], orient="row")
    if splits:
        frame = frame.with_columns(split=pl.Series(splits))
    items = pl.DataFrame({"id": range(len(titles)), "title": titles, **more})
    return from_tables(frame, items, clock="none")


def spelled(text):
    return [len(text), ord(text[0]), ord(text[-1])] if text else [0, 0, 0]


TITLES = ["mug", "tea pot", "hose", "mug", None, "rake", "a very long garden chair", "mug", "x"]


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_each_item_gets_the_vector_of_its_own_text(batch):
    vectors = encode(shop(TITLES), Spelled(batch=batch)).vectors
    assert vectors.table.tolist() == [spelled(text) for text in TITLES]
    assert vectors.mask.tolist() == [text is not None for text in TITLES]


def test_equal_pieces_are_looked_at_once():
    outcome = encode(shop(TITLES), Spelled())
    assert outcome.looked_at == outcome.distinct == len(set(TITLES) - {None})


def test_batches_hold_pieces_of_like_size(monkeypatch):
    met = []
    read = Spelled.reader

    def watched(self, device):
        look = read(self, device)
        return lambda texts: (met.append([len(text) for text in texts]), look(texts))[1]

    monkeypatch.setattr(Spelled, "reader", watched)
    encode(shop(["aaaa", "b", "cccc", "d"]), Spelled(batch=2))
    assert met == [[1, 1], [4, 4]]


def test_several_columns_are_joined_and_empty_cells_left_out():
    data = shop(["mug", None, ""], brand=["Acme", "Best", None], price=[1, 2, 3])
    vectors = encode(data, Spelled(columns=("title", "brand"))).vectors
    assert vectors.table.tolist() == [spelled("mug Acme"), spelled("Best"), [0, 0, 0]]
    assert vectors.mask.tolist() == [True, True, False]


def test_a_missing_column_is_named_with_those_there_are():
    with pytest.raises(NoContent, match=r"'subtitle'.*title"):
        encode(shop(["mug"]), Spelled(columns=("subtitle",)))


def test_what_cannot_be_decoded_is_listed_for_every_item_that_has_it():
    outcome = encode(shop(["mug", "bad one", "hose", "bad one"]), Spelled())
    assert outcome.problems == ((1, "it is bad"), (3, "it is bad"))
    assert outcome.vectors.mask.tolist() == [True, False, True, False]
    assert not outcome.vectors.table[1].any()


def test_or_stops_at_the_first_with_its_item():
    with pytest.raises(BadData, match=r"text of item 1.*it is bad"):
        encode(shop(["mug", "bad one"]), Spelled(), Options(on_error="fail"))


def test_nothing_that_can_be_decoded_is_an_error():
    with pytest.raises(NoContent):
        encode(shop(["bad", None]), Spelled())


@pytest.mark.parametrize(
    ("events", "splits", "learned"),
    [
        ([("u", 0), ("u", 1)], None, [0, 1]),
        ([("u", 0), ("u", 1), ("v", 2)], ["train", "train", "test"], [0, 1]),
        ([], None, [0, 1, 2]),
    ],
    ids=["items with events", "items of the training part", "all where there are no events"],
)
def test_a_reduction_learns_from_training_items_alone(events, splits, learned):
    titles = ["ab", "abcd", "abcdefghij"]
    data = shop(titles, events, splits)
    if not events:
        data = shop(titles).without_events()
    table = encode(data, Spelled(centred=True)).vectors.table
    rows = np.array([spelled(text) for text in titles], np.float32)
    assert table.tolist() == (rows - rows[learned].mean(0)).tolist()


def test_without_events_items_say_themselves_which_are_learned_from():
    data = shop(["ab", "abcd", "abcdefghij"], split=["train", "test", "train"]).without_events()
    table = encode(data, Spelled(centred=True)).vectors.table
    rows = np.array([spelled(text) for text in ("ab", "abcd", "abcdefghij")], np.float32)
    assert table.tolist() == (rows - rows[[0, 2]].mean(0)).tolist()


def test_a_second_call_reads_only_what_is_new(tmp_path):
    options = Options(cache=tmp_path)
    assert encode(shop(["mug", "hose"]), Spelled(), options).looked_at == 2
    again = encode(shop(["rake", "hose", "mug", "pot"]), Spelled(batch=1), options)
    assert again.looked_at == 2
    assert again.vectors.table.tolist() == [spelled(t) for t in ("rake", "hose", "mug", "pot")]


def test_a_field_that_changes_rows_changes_the_cache_and_others_do_not(tmp_path):
    options = Options(cache=tmp_path)
    encode(shop(["mug"]), Spelled(), options)
    assert encode(shop(["mug"]), Spelled(scale=2.0), options).looked_at == 1
    assert encode(shop(["mug"]), Spelled(centred=True), options).looked_at == 0
    assert encode(shop(["mug"]), Spelled(), Options(cache=tmp_path, device="cuda")).looked_at == 1
    assert encode(shop(["mug"]), Spelled(), Options(cache=tmp_path, device="cuda:1")).looked_at == 0


def test_the_digest_of_the_content_changes_with_any_piece():
    digests = {
        encode(shop(titles), Spelled()).content
        for titles in (["mug", "hose"], ["hose", "mug"], ["mug", "hosE"], ["mug", "hose", None])
    }
    assert len(digests) == 3  # an item without a piece is no piece


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "media").mkdir()
    return tmp_path


def test_media_of_a_parquet_file_are_found_by_id(folder):
    frame = pl.DataFrame({"item": [2, 0, 77], "bytes": [b"two", b"zero", b"nobody"]})
    frame.write_parquet(folder / "media" / "image.parquet")
    vectors = encode(replace(shop(["", "", ""]), folder=folder), Bytes()).vectors
    assert vectors.mask.tolist() == [True, False, True]
    assert vectors.table[2].tolist() == spelled("two")


def test_media_files_are_called_after_their_items(folder):
    (folder / "media" / "image" / "more").mkdir(parents=True)
    for name, content in {
        "0.jpg": b"zero",
        "2.png": b"two",
        "9.jpg": b"?",
        ".hidden": b"?",
    }.items():
        (folder / "media" / "image" / name).write_bytes(content)
    vectors = encode(replace(shop(["", "", ""]), folder=folder), Bytes()).vectors
    assert vectors.mask.tolist() == [True, False, True]
    assert vectors.table[0].tolist() == spelled("zero")


def test_a_column_names_files_in_the_folder_and_nowhere_else(folder):
    (folder / "a.jpg").write_bytes(b"first")
    (folder.parent / "secret").write_bytes(b"secret")
    paths = ["a.jpg", "gone.jpg", None, "../secret", "http://example.org/x.jpg"]
    data = replace(shop([""] * 5, path=paths), folder=folder)
    outcome = encode(data, Bytes(columns=("path",)))
    assert outcome.vectors.mask.tolist() == [True, False, False, False, False]
    reasons = dict(outcome.problems)
    assert "No such file" in reasons[1]
    assert "outside of the data folder" in reasons[3]
    assert "--allow-download" in reasons[4]


class Pictures(BaseHTTPRequestHandler):
    """Gives /good and nothing else."""

    def do_GET(self):
        found = self.path == "/good"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"fetched" if found else b"")

    def log_message(self, *_):
        pass


def test_addresses_on_the_web_are_fetched_where_that_is_allowed(folder):
    with HTTPServer(("127.0.0.1", 0), Pictures) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        data = replace(shop([""] * 2, path=[f"{place}/good", f"{place}/gone"]), folder=folder)
        outcome = encode(data, Bytes(columns=("path",)), Options(download=True))
        server.shutdown()
    assert outcome.vectors.table[0].tolist() == spelled("fetched")
    ((item, reason),) = outcome.problems
    assert item == 1
    assert "404" in reason


def test_no_media_at_all_says_where_they_belong(folder):
    with pytest.raises(NoContent, match=r"media/image\.parquet"):
        encode(replace(shop([""]), folder=folder), Bytes())


def test_the_table_is_made_where_one_wants_it(tmp_path):
    made = []

    def table(shape, dtype):
        made.append(np.memmap(tmp_path / "table", dtype, "w+", shape=shape))
        return made[0]

    vectors = encode(shop(TITLES), Spelled(), Options(table=table)).vectors
    assert vectors.table.data_ptr() == torch.from_numpy(made[0]).data_ptr()
