"""Indexes: what they find, that nothing is lost by them, and that they are saved."""

import json
import shutil
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tesserec as tr
from tesserec.core import Histories, Ragged, Requests, Run
from tesserec.core.errors import DamagedFile, MissingExtra
from tesserec.data import toys
from tesserec.recommenders import LookupRecommender, load, save
from tesserec.recommenders.index import (
    Exact,
    FaissFlat,
    FaissHNSW,
    FaissIVF,
    Index,
    Indexed,
    index_for,
    sampled,
)
from tesserec.recommenders.index.faiss import of_one_length
from tesserec.recommenders.index.search import LARGE
from toys.pipelines import drawn, questions
from toys.recommenders import asked_by

ITEMS = 300
APPROXIMATE = [FaissIVF(cells=7, probes=2), FaissHNSW(links=4, effort=10, breadth=4)]
ALL = [Exact(), FaissFlat(), *APPROXIMATE]


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss", reason="faiss is not installed: no index to test")


def names(kind: Index) -> str:
    return type(kind).__name__


@pytest.mark.parametrize("kind", ALL, ids=names)
@given(data=st.data())
@settings(max_examples=25)
def test_an_index_never_loses_an_answer(kind, data):
    if not isinstance(kind, Exact):
        pytest.importorskip("faiss", reason="faiss is not installed: no index to test")
    model = MODELS.setdefault(names(kind), drawn(12).indexed(kind))
    asked, k = data.draw(questions(12)), data.draw(st.integers(1, 14))
    found, exact = model.recommend(asked, k), drawn(12).recommend(asked, k)
    assert torch.equal((found.items >= 0).sum(1), (exact.items >= 0).sum(1))
    for row in range(len(asked)):
        items = [one for one in found.items[row].tolist() if one >= 0]
        assert len(set(items)) == len(items)
        assert asked.allowed is None or bool(asked.allowed[items].all())
        assert asked.exclude is None or not set(items) & set(asked.exclude.row(row).tolist())
        if asked.candidates is not None:
            assert set(items) <= set(asked.candidates[row].tolist())
    assert bool((found.scores[:, 1:] <= found.scores[:, :-1]).all())
    if kind.is_exact:
        assert torch.equal(found.items, exact.items)
        torch.testing.assert_close(found.scores, exact.scores, rtol=1e-5, atol=1e-5)


MODELS: dict[str, LookupRecommender] = {}


def test_excluding_all_that_an_index_finds_brings_others(faiss):
    model = drawn(ITEMS)
    best = model.recommend(asked_by(1), 100).items
    asked = asked_by(1, exclude=Ragged.of([best[0].tolist()]))
    expected = model.recommend(asked, 5)
    for kind in (FaissFlat(), FaissIVF(cells=5, probes=5)):  # all cells are looked at
        assert torch.equal(model.indexed(kind).recommend(asked, 5).items, expected.items)
    walked = model.indexed(FaissHNSW()).recommend(asked, 5)
    assert not set(walked.items[0].tolist()) & set(best[0].tolist())
    assert bool((walked.items >= 0).all())


def test_few_allowed_items_are_all_looked_at(faiss):
    model = drawn(ITEMS)
    allowed = torch.zeros(ITEMS, dtype=torch.bool)
    allowed[[5, 17, 200]] = True
    found = model.indexed(APPROXIMATE[1]).recommend(asked_by(2, allowed=allowed), 3)
    assert torch.equal(found.items, model.recommend(asked_by(2, allowed=allowed), 3).items)


@pytest.mark.parametrize("kind", [FaissIVF(cells=5, probes=5), FaissHNSW(breadth=300)], ids=names)
def test_an_index_that_looks_everywhere_has_a_recall_of_one(faiss, kind):
    index = drawn(ITEMS).indexed(kind).index
    assert index.recall == pytest.approx(1.0, abs=0.01)
    assert index.queries == ITEMS


def test_recall_is_the_share_of_the_best_that_is_found():
    class Half:
        """Finds every second of the best."""

        def search(self, queries, count):
            best = Exact().build(items).search(queries, 2 * count)
            return best[:, ::2]

    items, queries = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    made = Indexed(Exact(), Half(), 1.0, 0)
    assert made.measured(items, queries, k=10) == pytest.approx(0.5)
    assert Indexed.built(Exact(), items, queries).recall == 1.0


def test_one_length_makes_the_nearest_the_largest_product():
    draw = torch.Generator().manual_seed(1)
    items, query = torch.randn(40, 5, generator=draw), torch.randn(5, generator=draw)
    longer = of_one_length(items)
    torch.testing.assert_close(longer.norm(dim=1), items.norm(dim=1).max().expand(40))
    distance = (longer - torch.nn.functional.pad(query, (0, 1))).norm(dim=1)
    assert torch.equal(distance.argsort(), (items @ query).argsort(descending=True))


def test_small_catalogues_are_looked_at_whole():
    assert index_for(LARGE - 1) == Exact()
    assert index_for(LARGE) == FaissHNSW()


def test_an_index_is_measured_by_users_and_items_spread_evenly():
    asked = sampled(users=3, items=6)
    assert asked.user.tolist() == [0, 0, 1, 1, 2, 2]
    assert asked.history.items.lists() == [[0], [1], [2], [3], [4], [5]]
    assert sampled(users=0, items=2).user.tolist() == [-1, -1]
    assert len(sampled(users=9999, items=9999)) == 500


@pytest.mark.parametrize("kind", ALL, ids=names)
def test_an_index_is_saved_beside_its_model(faiss, kind, tmp_path):
    data = toys.cycle()
    model = tr.ALS(dim=4, epochs=2).fit(data, Run(seed=1)).indexed(kind)
    folder = save(model, tmp_path / "model")
    loaded = load(folder)
    assert loaded.index.kind == kind
    assert loaded.index.recall == model.index.recall
    asked = Requests(torch.arange(3), Histories(Ragged.of([[1], [2, 3], []])))
    before, after = model.recommend(asked, 4), loaded.recommend(asked, 4)
    assert torch.equal(before.items, after.items)
    assert torch.equal(before.scores, after.scores)
    files = {path.name for path in (folder / "index").iterdir()}
    has_file = not isinstance(kind, Exact)
    assert files == {"index.json", "tables.safetensors", "search.json"} | (
        {"search.faiss"} if has_file else set()
    )
    manifest = json.loads((folder / "manifest.json").read_text())["files"]
    assert {f"index/{name}" for name in files} <= set(manifest)
    again = save(loaded, tmp_path / "again")
    assert (again / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()


def test_a_damaged_index_is_named(faiss, tmp_path):
    model = tr.ALS(dim=4, epochs=2).fit(toys.cycle(), Run(seed=1)).indexed(FaissHNSW())
    folder = save(model, tmp_path / "model")
    path = folder / "index" / "search.faiss"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"search\.faiss"):
        load(folder)


def test_an_index_of_other_items_is_refused(faiss, tmp_path):
    kind = FaissFlat()
    kind.write(kind.build(torch.randn(5, 3)), tmp_path)
    with pytest.raises(DamagedFile, match="5 items, not 6"):
        kind.read(tmp_path, torch.randn(6, 3))


def test_without_faiss_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r"tesserec\[index\]"):
        drawn(ITEMS).indexed(FaissHNSW())


def test_other_tables_have_no_index_yet():
    model = drawn(ITEMS).indexed(Exact())
    assert model.index is not None
    assert model.with_tables(model.tables()).index is None


def test_an_encoder_and_its_live_histories_use_the_index(faiss):
    data = toys.cycle()
    method = tr.SASRec(dim=8).changed({"batches": {"length": 6}})
    with Run(seed=3).seeded("network"):
        network = method.network(data)
    plain = method.answer(network.eval(), data.catalog)
    model = plain.indexed(FaissFlat())
    asked = Requests(torch.tensor([-1]), Histories(Ragged.of([[1, 2, 3]])))
    expected = plain.recommend(asked, 5)
    assert torch.equal(model.recommend(asked, 5).items, expected.items)
    assert torch.equal(model.live(asked).recommend(5).items, expected.items)
    assert model.index.queries == len(data.catalog.users)


def test_a_model_copied_without_its_index_files_is_damaged(faiss, tmp_path):
    model = tr.ALS(dim=4, epochs=2).fit(toys.cycle(), Run(seed=1)).indexed(FaissFlat())
    shutil.rmtree(save(model, tmp_path / "model") / "index")
    with pytest.raises(DamagedFile, match="missing"):
        load(tmp_path / "model")
