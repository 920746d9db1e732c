"""What all quantizers share: ids that are unique, kept in a folder, and made of named vectors."""

import shutil
from pathlib import Path

import pytest
import torch

from tesserec.core import Dataset, Run, files
from tesserec.core.errors import BadData, CannotAnswer, DamagedFile, NoContent
from tesserec.parts.semantic_ids import FreeLeaves, PopularityLevel
from tesserec.parts.semantic_ids.given import NoCodebook
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans
from toys.worlds import world

SMALL = RQKMeans(levels=2, codes=3)


@pytest.fixture
def data() -> Dataset:
    """Thirty items, the last ten without events; item 0 is the most popular."""
    vectors = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    events = [(0, item) for item in range(20)] + [(1, 0)]
    return world(events, items=range(30), vectors={"text": vectors})


@pytest.mark.parametrize(
    ("quantizer", "levels"), [(SMALL, 3), (SMALL.changed({"collisions": "FreeLeaves"}), 2)]
)
def test_ids_are_unique_and_know_their_codebook(data, quantizer, levels):
    codes = quantizer.changed({"codes": 6}).ids(data, Run())
    assert codes.unique
    assert codes.levels == levels
    assert codes.codebook is not None
    assert not codes.codebook.training
    assert not any(one.requires_grad for one in codes.codebook.parameters())
    vectors = codes.codebook.read(data.catalog.items)
    assert torch.equal(vectors, data.catalog.items.vectors["text"])


def test_collisions_are_told_of_popularity_and_vectors(data):
    found = SMALL.fit(data, Run())
    ranked = SMALL.changed({"collisions": PopularityLevel()}).ids(data, Run())
    expected = PopularityLevel().apart(found.codes, data.popularity)
    assert torch.equal(ranked.table, expected.table)
    wide = SMALL.changed({"codes": 6, "collisions": FreeLeaves()})
    moved, plain = wide.ids(data, Run()), wide.fit(data, Run())
    blind = FreeLeaves().apart(plain.codes, data.popularity)  # no codebook: the first free
    assert plain.codes.distinct < 30
    assert not torch.equal(moved.table, blind.table)


def test_a_resumed_run_reads_its_ids_again(data, tmp_path, monkeypatch):
    first = SMALL.ids(data, Run(folder=tmp_path))
    monkeypatch.setattr(RQKMeans, "fit", lambda *_: pytest.fail("learned again"))
    again = SMALL.ids(data, Run(folder=tmp_path, resume=True))
    assert torch.equal(again.table, first.table)
    assert again.sizes == first.sizes
    vectors = data.catalog.items.vectors["text"]
    assert torch.equal(again.codebook.encode(vectors), first.codebook.encode(vectors))


@pytest.mark.parametrize("change", ["seed", "fields", "data", "stage"])
def test_ids_of_something_else_are_not_taken(data, tmp_path, monkeypatch, change):
    SMALL.ids(data, Run(folder=tmp_path))
    quantizer, run = SMALL, Run(folder=tmp_path, resume=True)
    if change == "seed":
        run = Run(seed=1, folder=tmp_path, resume=True)
    elif change == "fields":
        quantizer = SMALL.changed({"rounds": 7})
    elif change == "data":
        data = data.with_vectors("text", data.catalog.items.vectors["text"] + 1)
    else:
        run = Run(folder=tmp_path, resume=True, name="other")
    learned = []
    fit = RQKMeans.fit
    monkeypatch.setattr(RQKMeans, "fit", lambda *all: learned.append(1) or fit(*all))
    quantizer.ids(data, run)
    assert learned == [1]


@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
@pytest.mark.parametrize("name", ["ids.safetensors", "ids.json", "manifest.json"])
def test_ids_that_were_damaged_are_named(data, tmp_path, harm, name):
    first = SMALL.ids(data, Run(folder=tmp_path))
    path = tmp_path / "kept" / name
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-3] if harm == "cut" else whole[:-9] + b"~" + whole[-8:])
    with pytest.raises(DamagedFile, match=name) as told:
        SMALL.ids(data, Run(folder=tmp_path, resume=True))
    assert "made again" in told.value.cure
    shutil.rmtree(tmp_path / "kept")
    assert torch.equal(SMALL.ids(data, Run(folder=tmp_path, resume=True)).table, first.table)


def test_a_kill_leaves_the_ids_that_were_kept(data, tmp_path, monkeypatch):
    first = SMALL.ids(data, Run(folder=tmp_path))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_swap", killed)
    with pytest.raises(KeyboardInterrupt):
        SMALL.ids(data, Run(seed=1, folder=tmp_path))
    again = SMALL.ids(data, Run(folder=tmp_path, resume=True))
    assert torch.equal(again.table, first.table)


def test_without_a_folder_nothing_is_written(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SMALL.ids(data, Run())
    assert list(Path(tmp_path).iterdir()) == []


def test_items_with_events_alone_are_learned_from_where_there_are_any(data):
    assert SMALL.learned_from(data).tolist() == list(range(20))
    assert SMALL.changed({"warm": False}).learned_from(data).tolist() == list(range(30))
    assert SMALL.learned_from(data.without_events()).tolist() == list(range(30))


def test_items_without_content_teach_nothing_where_others_have_some(data):
    vectors = data.catalog.items.vectors["text"].clone()
    vectors[:5] = 0
    some = data.with_vectors("text", vectors)
    assert SMALL.learned_from(some).tolist() == list(range(5, 20))
    assert SMALL.changed({"warm": False}).learned_from(some).tolist() == list(range(5, 30))
    noted = data.with_vectors("text", vectors + 1, torch.arange(30) >= 5)  # filled, and known to be
    assert SMALL.learned_from(noted).tolist() == list(range(5, 20))
    centres = SMALL.fit(noted, Run()).codebook.centres
    vectors[:5] = 7
    other = data.with_vectors("text", vectors + 1, torch.arange(30) >= 5)
    assert torch.equal(SMALL.fit(other, Run()).codebook.centres, centres)
    vectors[:20] = 0  # those that were chosen have none: a cold item teaches nothing still
    assert SMALL.learned_from(data.with_vectors("text", vectors)).tolist() == list(range(20))


def test_the_only_vectors_need_no_name_and_others_do(data):
    items = data.catalog.items
    assert SMALL.name(items) == "text"
    both = data.with_vectors("image", torch.ones(30, 2)).catalog.items
    assert SMALL.changed({"vectors": "image"}).name(both) == "image"
    with pytest.raises(NoContent, match="there are image, text"):
        SMALL.name(both)
    with pytest.raises(NoContent, match="called 'sound'"):
        SMALL.changed({"vectors": "sound"}).name(both)
    with pytest.raises(NoContent, match="there are none"):
        SMALL.ids(world([(0, 0)]), Run())


def test_codes_that_stand_for_nothing_say_so():
    with pytest.raises(CannotAnswer, match="NoCodebook stand for no vectors"):
        NoCodebook("").decode(torch.zeros(1, 1))


@pytest.mark.parametrize("wrong", [float("nan"), 1e20, -1e20])
def test_vectors_that_have_no_distances_are_refused(data, wrong):
    """Squares of 1e20 are infinite, and so is what is between two of them."""
    codebook = SMALL.fit(data, Run()).codebook
    items = data.catalog.items
    items.vectors["text"][3, 1] = wrong
    with pytest.raises(BadData, match=r"'text': item 3 has .* in column 2"):
        SMALL.fit(data, Run())
    with pytest.raises(BadData, match=r"'text': item 3 has .* in column 2"):
        codebook.read(items)


def test_what_is_noted_as_missing_is_read_as_zeros_where_it_is_no_number(data):
    vectors, there = data.catalog.items.vectors["text"].clone(), torch.arange(30) != 3
    vectors[3] = torch.nan
    data = data.with_vectors("text", vectors, there)
    codebook = SMALL.fit(data, Run()).codebook
    assert codebook.read(data.catalog.items)[3].tolist() == [0] * 4
    assert codebook.centres.isfinite().all()


def test_largest_numbers_that_are_read_have_finite_distances(data):
    data = data.with_vectors("text", 1e15 * data.catalog.items.vectors["text"].sign())
    assert SMALL.changed({"balanced": "all"}).ids(data, Run()).unique
