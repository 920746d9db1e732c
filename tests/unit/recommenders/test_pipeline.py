"""Recommenders that are made of recommenders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tesserec as tr
from tesserec.core import Dataset, Histories, Ragged, Requests, Run
from tesserec.core.errors import (
    BadData,
    BadRequest,
    BadSpec,
    CannotAnswer,
    DamagedFile,
)
from tesserec.data.build import from_tables
from tesserec.recommenders import (
    Cascade,
    Fallback,
    Filtered,
    Mixture,
    Reranked,
    ScoreRecommender,
    load,
    save,
)
from tesserec.recommenders.pipeline import NormalisedScores, Pipeline, ReciprocalRanks
from tesserec.recommenders.rerank import DPP, MMR, Epsilon, Gumbel
from toys.pipelines import drawn, every_kind, questions
from toys.recommenders import Written, asked_by, items_of, written
from toys.worlds import random_world, world

ITEMS = 12
KINDS = every_kind(ITEMS)


# What is true of all


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
@settings(max_examples=30)
def test_answers_are_allowed_different_and_padded(name, data):
    pipeline, asked = KINDS[name], data.draw(questions(ITEMS))
    k = data.draw(st.integers(1, ITEMS + 3))
    found = pipeline.recommend(asked, k)
    assert found.items.shape == found.scores.shape == (len(asked), k)
    for row in range(len(asked)):
        there = found.items[row] >= 0
        items = found.items[row][there].tolist()
        assert len(set(items)) == len(items)
        assert not bool(there[len(items) :].any())  # -1 comes last
        assert bool((found.scores[row][~there] == -torch.inf).all())
        assert bool(found.scores[row][there].isfinite().all())
        if asked.exclude is not None:
            assert not set(items) & set(asked.exclude.row(row).tolist())
        if asked.allowed is not None:
            assert bool(asked.allowed[items].all())
        if asked.candidates is not None:
            assert set(items) <= set(asked.candidates[row].tolist())
        if name == "Filtered":
            assert max(items, default=0) < 7
    if name not in ("Epsilon", "Gumbel", "all together"):  # chance keeps the scores it was given
        assert bool((found.scores[:, 1:] <= found.scores[:, :-1]).all())


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
@settings(max_examples=30)
def test_a_request_alone_is_answered_as_among_many(name, data):
    pipeline, asked = KINDS[name], data.draw(questions(ITEMS))
    together = pipeline.recommend(asked, 5)
    for row in range(len(asked)):
        alone = pipeline.recommend(asked[row : row + 1], 5)
        assert torch.equal(alone.items[0], together.items[row])
        torch.testing.assert_close(alone.scores[0], together.scores[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_no_requests_have_no_answers(name):
    assert KINDS[name].recommend(asked_by(0), 4).items.shape == (0, 4)


@pytest.mark.parametrize("name", KINDS)
def test_fewer_than_one_answer_cannot_be_asked_for(name):
    with pytest.raises(BadRequest, match="k = 0"):
        KINDS[name].recommend(asked_by(1), 0)


# Each kind


def test_a_cascade_ranks_what_its_source_finds():
    source = written(torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]]))
    ranker = written(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]))
    cascade = Cascade(source, ranker, candidates=3)
    assert cascade.recommend(asked_by(1), 2).items.tolist() == [[2, 1]]
    assert cascade.recommend(asked_by(1), 2).scores.tolist() == [[3.0, 2.0]]
    named = asked_by(1, candidates=torch.tensor([[3, 4, -1]]))
    assert cascade.recommend(named, 3).items.tolist() == [[4, 3, -1]]


def test_a_cascade_rates_with_its_ranker():
    cascade = Cascade(drawn(ITEMS, 1), drawn(ITEMS, 2))
    items = torch.tensor([[0, 3, -1]])
    assert torch.equal(cascade.score(asked_by(1), items), drawn(ITEMS, 2).score(asked_by(1), items))


def test_what_one_part_cannot_do_another_does():
    plain = written(torch.rand(6, ITEMS))
    cascade = Cascade(drawn(ITEMS), plain)
    expected = drawn(ITEMS).similar(torch.tensor([3]), 4)
    assert torch.equal(cascade.similar(torch.tensor([3]), 4).items, expected.items)
    with pytest.raises(CannotAnswer, match="No part of this Cascade compares items"):
        Cascade(plain, plain).similar(torch.tensor([3]), 4)


def test_a_filter_keeps_items_by_their_columns_and_is_read_at_once():
    data = from_tables(
        pl.DataFrame({"user": [0], "item": ["a"]}),
        pl.DataFrame({"id": ["a", "b", "c"], "price": [5, 50, 9]}),
    )
    inner = ScoreRecommender(Written(torch.tensor([[1.0, 3.0, 2.0]])), data.catalog)
    cheap = Filtered(inner, "price < 10")
    assert cheap.recommend(asked_by(1), 3).items.tolist() == [[2, 0, -1]]
    both = asked_by(1, allowed=torch.tensor([True, True, False]))
    assert cheap.recommend(both, 3).items.tolist() == [[0, -1, -1]]
    with pytest.raises(BadRequest, match="no column 'cost'"):
        Filtered(inner, "cost < 10")


def test_who_cannot_be_answered_gets_the_others_answers():
    some = written(torch.tensor([[1.0, 2.0], [-torch.inf, -torch.inf], [3.0, -torch.inf]]))
    other = written(torch.tensor([[9.0, 8.0], [9.0, 8.0], [9.0, 8.0]]))
    found = Fallback(some, other).recommend(asked_by(3), 2)
    assert found.items.tolist() == [[1, 0], [0, 1], [0, -1]]
    assert found.scores.tolist() == [[2.0, 1.0], [9.0, 8.0], [3.0, -torch.inf]]


def test_the_other_recommender_is_asked_for_nobody_else():
    class Watched(type(written(torch.zeros(1, 1)))):
        def recommend(self, requests, k):
            assert requests.user.tolist() == [1]
            return super().recommend(requests, k)

    some = written(torch.tensor([[1.0, 2.0], [-torch.inf, -torch.inf]]))
    watched = Watched(some.network.__class__(torch.ones(2, 2)), some.catalog)
    assert Fallback(some, watched).recommend(asked_by(2), 1).items.tolist() == [[1], [0]]


@pytest.mark.parametrize("merging", [ReciprocalRanks(constant=3), NormalisedScores()])
@given(data=st.data())
@settings(max_examples=40)
def test_a_mixture_adds_up_points_as_a_loop_does(merging, data):
    asked = data.draw(questions(ITEMS))
    weights = data.draw(st.tuples(*[st.sampled_from([0.0, 0.5, 2.0])] * 3))
    parts = tuple(drawn(ITEMS, seed) for seed in range(3))
    found = Mixture(parts, weights, merging, depth=5).recommend(asked, 4)
    for row in range(len(asked)):
        points: dict[int, float] = {}
        for part, weight in zip(parts, weights, strict=True):
            listed = part.recommend(asked[row : row + 1], 5)
            items = [one for one in listed.items[0].tolist() if one >= 0]
            scores = listed.scores[0].tolist()[: len(items)]
            for rank, (item, score) in enumerate(zip(items, scores, strict=True), 1):
                if isinstance(merging, ReciprocalRanks):
                    worth = 1 / (3 + rank)
                else:
                    low, high = scores[-1], scores[0]
                    worth = 1.0 if high == low else (score - low) / (high - low)
                points[item] = points.get(item, 0.0) + weight * worth
        expected = sorted(points.values(), reverse=True)[:4]
        there = found.items[row] >= 0
        assert found.scores[row][there].tolist() == pytest.approx(expected, abs=1e-5)
        for item, score in zip(found.items[row].tolist(), found.scores[row].tolist(), strict=True):
            assert item < 0 or points[item] == pytest.approx(score, abs=1e-5)


def test_mixtures_that_make_no_sense_are_refused():
    one = drawn(ITEMS)
    for parts, weights in (((), ()), ((one, one), (1.0,)), ((one,), (-1.0,))):
        with pytest.raises(BadRequest):
            Mixture(parts, weights)


def test_rerankers_that_compare_want_vectors():
    plain = written(torch.rand(6, ITEMS))
    with pytest.raises(BadRequest, match="MMR compares items by vectors"):
        Reranked(plain, (MMR(),))
    with pytest.raises(BadData, match="3 vectors were given for 12 items"):
        Reranked(plain, (MMR(),), vectors=torch.rand(3, 2))
    assert Reranked(plain, (MMR(),), vectors=torch.rand(ITEMS, 2)).recommend(asked_by(1), 2)
    assert Reranked(plain, (Epsilon(),)).recommend(asked_by(1), 2)


def test_exploration_comes_last():
    with pytest.raises(BadRequest, match="after exploration"):
        Reranked(drawn(ITEMS), (Gumbel(), MMR()))


# Two catalogues


def named(ids: list[str], users: list[str], table: torch.Tensor) -> ScoreRecommender:
    """Scores of users by items, with names."""
    catalog = world([(users[0], ids[0])], items=ids).catalog
    people = replace(catalog.users, ids=pl.Series("id", users))
    return ScoreRecommender(Written(table), replace(catalog, users=people))


def two_shops() -> tuple[ScoreRecommender, ScoreRecommender]:
    """The first sells a b c d, the second b c d e; they share one customer."""
    first = torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    second = torch.tensor([[1.0, 9.0, 5.0, 99.0], [0.0, 0.0, 0.0, 0.0]])
    return (
        named(["a", "b", "c", "d"], ["ann", "bob"], first),
        named(["b", "c", "d", "e"], ["bob", "eve"], second),
    )


@pytest.mark.parametrize(
    "combined",
    [
        Cascade,
        Fallback,
        lambda one, other, **more: Mixture((one, other), **more),
    ],
)
def test_catalogues_that_differ_are_refused_unless_told(combined):
    one, other = two_shops()
    with pytest.raises(BadRequest, match="know different items"):
        combined(one, other)
    combined(one, other, align=True)
    strangers = replace(one, catalog=replace(one.catalog, users=other.catalog.users))
    with pytest.raises(BadRequest, match="know different users"):
        combined(one, strangers)


def test_aligned_parts_speak_the_first_ones_rows():
    one, other = two_shops()
    bob = Requests(torch.tensor([1]), Histories(Ragged.of([[0]])))
    found = Cascade(one, other, align=True).recommend(bob, 4)
    assert one.catalog.items.names(found.items[0]) == ["c", "d", "b", None]
    assert found.scores[0, :3].tolist() == [9.0, 5.0, 1.0]
    free = Requests(bob.user, bob.history, exclude=Ragged.of([[2]]))
    assert Cascade(one, other, align=True).recommend(free, 4).items.tolist() == [[3, 1, -1, -1]]


def test_an_aligned_part_alone_answers_nothing_that_is_not_ours():
    one, other = two_shops()
    nobody = replace(one, network=Written(torch.full((2, 4), -torch.inf)))
    bob = Requests(torch.tensor([1]), Histories(Ragged.of([[0]])))
    allowed = torch.tensor([True, False, True, True])
    found = Fallback(nobody, other, align=True).recommend(replace(bob, allowed=allowed), 4)
    assert found.items.tolist() == [[2, 3, -1, -1]]  # not e, which only the other sells


def test_an_aligned_part_compares_rates_and_explains():
    one, other = drawn(ITEMS, 1), drawn(ITEMS, 1)
    shown = replace(other.catalog.items, ids=pl.Series("id", [*range(2, ITEMS), 98, 99]))
    other = replace(other, catalog=replace(other.catalog, items=shown))  # row r is our r + 2
    plain = replace(written(torch.rand(6, ITEMS)), catalog=one.catalog)
    cascade = Cascade(plain, other, align=True)
    expected = [row + 2 for row in other.similar(torch.tensor([3]), ITEMS).items[0].tolist()]
    expected = [row for row in expected if 2 <= row < ITEMS]
    found = cascade.similar(torch.tensor([5, 0]), 6)
    assert found.items[0].tolist() == expected[:6]
    assert found.items[1].tolist() == [-1] * 6  # the other has never heard of item 0
    asked = Requests(torch.tensor([0]), Histories(Ragged.of([[0, 4, 5]])))
    rated = cascade.score(asked, torch.tensor([[1, 6]]))
    assert rated[0, 0] == -torch.inf
    inner = Requests(torch.tensor([-1]), Histories(Ragged.of([[2, 3]])))
    shares = cascade.shares(asked, torch.tensor([7]))
    assert torch.equal(shares, torch.cat([torch.zeros(1), other.shares(inner, torch.tensor([5]))]))
    assert torch.equal(cascade.item_vectors[2:], other.item_vectors[: ITEMS - 2])


# One artifact


def shop() -> Dataset:
    """A random world with a price."""
    data = random_world(seed=3)
    items = pl.DataFrame({"id": range(30), "price": range(30)})
    return from_tables(data.interactions.frame, items)


def everybody(data: Dataset) -> Requests:
    """All who are known, and a stranger."""
    history = Histories(Ragged.packed(*_with_nobody(data.histories.items)))
    users = torch.cat([torch.arange(len(data.catalog.users)), torch.tensor([-1])])
    return Requests(users, history, exclude=history.items)


def _with_nobody(items: Ragged) -> tuple[torch.Tensor, torch.Tensor]:
    return items.compact().values, torch.cat([items.lengths, torch.tensor([0])])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Path]:
    """Every kind of stage in one pipeline, saved."""
    data = shop()
    short = {"dim": 8, "schedule": {"epochs": 2, "rate": 0.05}, "batches": {"size": 64}}
    lookup = tr.MF().changed(short).fit(data, Run(seed=1))
    score = tr.ItemKNN(neighbours=4).fit(data, Run(seed=1))
    popular = tr.Popular().fit(data, Run(seed=1))
    draw = torch.Generator().manual_seed(0)
    pipeline = Reranked(
        Fallback(
            Filtered(
                Cascade(Mixture((lookup, score), (2.0, 1.0), NormalisedScores()), lookup), "price>3"
            ),
            popular,
        ),
        (MMR(relevance=0.4), DPP(relevance=0.5), Gumbel(temperature=0.5, seed=3)),
        depth=20,
        vectors=torch.randn(30, 5, generator=draw),
    )
    return pipeline, save(pipeline, tmp_path_factory.mktemp("pipelines") / "model")


def test_a_loaded_pipeline_answers_bit_equal(whole):
    pipeline, folder = whole
    loaded, asked = load(folder), everybody(shop())
    before, after = pipeline.recommend(asked, 8), loaded.recommend(asked, 8)
    assert torch.equal(before.items, after.items)
    assert torch.equal(before.scores, after.scores)
    assert torch.equal(before.propensities, after.propensities)
    assert loaded.rerankers == pipeline.rerankers
    assert loaded.inner.inner.where == "price>3"


def test_a_pipeline_saved_again_is_the_same_folder(whole, tmp_path):
    _, folder = whole
    again = save(load(folder), tmp_path / "again")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for path in files:
        assert (again / path).read_bytes() == (folder / path).read_bytes(), path


def test_each_part_is_a_model_of_its_own(whole):
    pipeline, folder = whole
    part = load(folder / "inner" / "strangers")
    assert part.method == tr.Popular()
    asked = everybody(shop())
    expected = pipeline.inner.strangers.recommend(asked, 5)
    assert torch.equal(part.recommend(asked, 5).items, expected.items)


def test_a_pipeline_folder_has_no_pickle_and_its_parts_are_named_by_fields(whole):
    _, folder = whole
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {Path(file).suffix for file in files} == {".json", ".safetensors", ".parquet", ".md"}
    assert "inner/inner/inner/source/recommenders-1/weights.safetensors" in files
    manifest = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(manifest) == files - {"manifest.json"}


@given(st.data())
@settings(max_examples=40)
def test_any_damage_to_any_file_of_a_pipeline_is_named(whole, tmp_path_factory, data):
    """Promise 7."""
    _, folder = whole
    damaged = tmp_path_factory.mktemp("damaged") / "model"
    shutil.copytree(folder, damaged)
    path = data.draw(st.sampled_from(sorted(p for p in damaged.rglob("*") if p.is_file())))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as refused:
        load(damaged)
    assert str(path) in str(refused.value)


def rewritten(source: Path, folder: Path, **changes: object) -> Path:
    """A pipeline whose description was changed by somebody who also mended the manifest."""
    from tesserec.core.files import replacing_folder

    with replacing_folder(folder) as aside:
        shutil.copytree(source, aside, dirs_exist_ok=True)
        (aside / "manifest.json").unlink()
        facts = json.loads((aside / "pipeline.json").read_text())
        (aside / "pipeline.json").write_text(json.dumps({**facts, **changes}))
    return folder


def test_a_pipeline_of_another_kind_version_or_place_is_refused(whole, tmp_path):
    _, source = whole
    for number, change in enumerate(({"kind": "Elsewhere"}, {"version": 9})):
        with pytest.raises(BadData, match="another version"):
            load(rewritten(source, tmp_path / f"{number}", **change))
    for number, parts in enumerate(({"../away": None}, {"outer": None})):
        with pytest.raises(BadData, match="names a part"):
            load(rewritten(source, tmp_path / f"part-{number}", parts=parts))
    unknown = {"rerankers": [{"kind": "Elsewhere"}], "depth": 20}
    odd = rewritten(source, tmp_path / "odd", settings=unknown)
    with pytest.raises(BadSpec, match="Elsewhere"):
        load(odd)


def test_a_pipeline_of_what_nobody_made_cannot_be_saved(tmp_path):
    with pytest.raises(BadRequest, match="does not know its method"):
        save(Cascade(drawn(ITEMS), drawn(ITEMS)), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_pipeline_gives_the_networks_and_tables_of_its_parts():
    one, other = drawn(ITEMS, 1), drawn(ITEMS, 2)
    cascade = Cascade(one, other)
    assert set(dict(cascade.network.named_children())) == {"source", "ranker"}
    swapped = {
        name: cascade.tables()[("ranker" if name.startswith("source") else "source") + name[6:]]
        for name in cascade.tables()
    }
    found = cascade.with_tables(swapped).recommend(asked_by(3), 5)
    assert torch.equal(found.items, Cascade(other, one).recommend(asked_by(3), 5).items)
    single = Reranked(one, (MMR(),))
    assert single.network is one.network
    assert single.with_tables(other.tables()).inner.item_vectors is other.item_vectors


def test_a_catalogue_of_other_types_of_ids_is_another_one():
    numbers = drawn(3)
    words = replace(
        numbers,
        catalog=replace(
            items_of(3), items=replace(items_of(3).items, ids=pl.Series("id", ["0", "1", "2"]))
        ),
    )
    with pytest.raises(BadRequest, match="different items"):
        Cascade(numbers, words)
