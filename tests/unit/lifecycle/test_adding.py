"""New items: what fits, what does not, and what becomes of the tables of a network."""

from dataclasses import replace
from typing import Any, cast

import polars as pl
import pytest
import torch

from tesserec.core import Answering, Dataset, Entities, Requests, Run
from tesserec.core.errors import BadData, BadRequest, CannotAnswer, NoContent
from tesserec.data import toys
from tesserec.lifecycle.updating import add, contents_of, fresh
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.generative.mscgrec import MSCGRec
from tesserec.methods.generative.tiger import TIGER
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.methods.multimodal.contentknn import ContentKNN
from tesserec.parts.generation.unlearned import averaged
from tesserec.recommenders import LookupRecommender
from tesserec.recommenders.index import FaissFlat, FaissHNSW, FaissIVF, Index
from tesserec.recommenders.pipeline import Cascade, Fallback, Filtered, Mixture, Reranked
from tesserec.recommenders.rerank import MMR

WORLD = toys.newcomers()


def cut(data: Dataset, count: int) -> tuple[Dataset, Entities]:
    """The first items with what happened to them, and the others."""
    items = data.catalog.items

    def part(rows: slice) -> Entities:
        vectors = {name: table[rows] for name, table in items.vectors.items()}
        return Entities(items.ids[rows], items.features[rows], vectors)

    first, rest = part(slice(0, count)), part(slice(count, None))
    events = data.interactions.keep(pl.col("item") < count)
    return replace(data, catalog=replace(data.catalog, items=first), interactions=events), rest


def test_neighbours_with_new_items_are_those_of_a_new_fit() -> None:
    """But for half precision, in which contents are kept; the world's cosines lie further apart."""
    first, rest = cut(WORLD, 20)
    method = ContentKNN(neighbours=6)
    grown = add(method.fit(first, Run()), rest)
    whole = replace(WORLD, interactions=first.interactions)
    again = method.fit(whole, Run())
    torch.testing.assert_close(
        grown.network.similarity, again.network.similarity, atol=2e-3, rtol=0
    )
    assert (grown.network.near == again.network.near).float().mean() > 0.95
    torch.testing.assert_close(grown.network.average, again.network.average, atol=0.5, rtol=0.02)


def test_a_new_item_without_content_is_nobodys_neighbour() -> None:
    first, rest = cut(WORLD, 20)
    table = rest.vectors["text"].clone()
    table[0] = 0
    grown = add(ContentKNN(neighbours=6).fit(first, Run()), replace(rest, vectors={"text": table}))
    assert not (grown.network.near == 20).any()
    assert (grown.network.near == 21).any()


def test_items_that_are_known_are_passed_over_and_the_old_model_is_left_as_it_is() -> None:
    first, rest = cut(WORLD, 20)
    model = BM3(**BM3.tiny).changed({"schedule": {"epochs": 2}}).fit(first, Run())
    weights = {name: one.clone() for name, one in model.network.state_dict().items()}
    assert add(model, first.catalog.items) is model
    assert len(add(model, WORLD.catalog.items).catalog.items) == 30
    assert len(model.catalog.items) == 20
    for name, one in model.network.state_dict().items():
        assert torch.equal(one, weights[name])
    assert len(add(model, rest).network.features.present[0]) == 30


def test_tokens_that_only_new_items_have_become_the_mean_of_their_level() -> None:
    table = torch.tensor([[1.0], [3.0], [50.0], [10.0], [20.0], [60.0]])  # two levels of three
    known, new = torch.tensor([[0, 1], [1, 1]]), torch.tensor([[2, 0], [1, 1]])
    found = averaged(table, known, new, (3, 3), (0, 3))
    assert found[:, 0].tolist() == [1.0, 3.0, 2.0, 20.0, 20.0, 60.0]  # the last is nobody's
    assert table[2, 0] == 50.0


@pytest.mark.parametrize("kind", [TIGER, MSCGRec])
def test_an_item_more_changes_only_tokens_that_it_has(kind: type) -> None:
    first, one_more = cut(cut(WORLD, 21)[0], 20)
    method = kind(**kind.tiny).changed({"schedule": {"epochs": 1}, "children": False})
    model = method.fit(first, Run())
    grown = add(model, one_more)
    before, after = (cast(Any, one.network) for one in (model, grown))
    shift = torch.tensor(after.first)
    known, new = before.codes + shift, (after.codes + shift)[-1]
    changed = torch.nonzero((before.tokens != after.tokens).any(1))[:, 0]
    assert set(changed.tolist()) == set(new.tolist()) - set(known.flatten().tolist())
    if kind is MSCGRec:
        before, after = before.reader, after.reader
        read = after.rows[:, after.modality != after.written] - after.behind
        changed = torch.nonzero((before.tokens != after.tokens).any(1))[:, 0]
        assert set(changed.tolist()) == set(read[-1].tolist()) - set(read[:-1].flatten().tolist())


def test_codes_of_new_items_are_those_of_the_codebook_wherever_they_are_free() -> None:
    first, rest = cut(WORLD, 20)
    method = TIGER(**TIGER.tiny).changed({"schedule": {"epochs": 1}})
    model = method.fit(first, Run())
    grown = add(model, rest)
    made = grown.network.place(rest)
    assert torch.equal(grown.catalog.items.codes["ids"].table[20:, :2], made)
    assert torch.equal(grown.network.trie.item_of_leaf.sort().values, torch.arange(30))


def test_what_does_not_fit_is_named() -> None:
    known = WORLD.catalog.items
    table = torch.ones(1, 4)
    with pytest.raises(BadData, match="wide"):
        fresh(known, Entities(pl.Series([99]), vectors={"text": torch.ones(1, 3)}))
    with pytest.raises(BadData, match="NaN"):
        fresh(known, Entities(pl.Series([99]), vectors={"text": table * torch.nan}))
    with pytest.raises(BadData, match="Int64"):
        fresh(known, Entities(pl.Series(["a"]), vectors={"text": table}))
    with pytest.raises(BadData, match="twice"):
        fresh(known, Entities(pl.Series([99, 99])))
    strange = pl.DataFrame({"title": [[1, 2]]})
    with pytest.raises(BadData, match="title"):
        fresh(known, Entities(pl.Series([99]), strange))
    assert fresh(known, Entities(pl.Series([99]))).features["title"].to_list() == [None]
    assert not len(fresh(known, Entities(pl.Series([5]))))


@pytest.mark.parametrize("kind", [BM3, ContentKNN, TIGER])
def test_vectors_that_are_missing_are_asked_for(kind: type) -> None:
    method = kind(**kind.tiny)
    if kind is not ContentKNN:
        method = method.changed({"schedule": {"epochs": 1}})
    model = method.fit(cut(WORLD, 20)[0], Run())
    with pytest.raises(NoContent) as told:
        add(model, Entities(pl.Series([99])))
    assert told.value.cure


def test_methods_of_ids_and_models_of_nobody_say_so() -> None:
    method = MF(**MF.tiny).changed({"schedule": {"epochs": 1}})
    model = method.fit(WORLD, Run())
    new = Entities(pl.Series([99]))
    with pytest.raises(CannotAnswer, match="MF"):
        add(model, new)
    with pytest.raises(BadRequest, match="method"):
        add(LookupRecommender(model.network, model.catalog), new)


@pytest.mark.parametrize("kind", [FaissFlat(), FaissIVF(cells=2, probes=1), FaissHNSW(links=4)])
def test_an_index_goes_on_with_new_items(kind: Index) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed: no index to test")
    first, rest = cut(WORLD, 20)
    method = BM3(**BM3.tiny).changed({"schedule": {"epochs": 1}})
    model = method.fit(first, Run()).indexed(kind)
    grown = add(model, rest)
    assert grown.index.kind == kind
    assert grown.index.searcher.index.ntotal == len(WORLD.catalog.items)
    assert model.index.searcher.index.ntotal == 20
    asked = Requests.of(grown.catalog, histories=[[1, 3, 5]])
    exact = replace(grown, index=None)
    assert torch.equal(grown.recommend(asked, 30).items, exact.recommend(asked, 30).items)
    assert 0 < grown.index.recall <= 1


def knn(data: Dataset) -> Answering:
    return ContentKNN(neighbours=6).fit(data, Run())


def ease(data: Dataset) -> Answering:
    return EASE().fit(data, Run())


def asked(model: Answering, **given: object) -> Requests:
    return Requests.of(model.catalog, histories=[[1, 3, 5]], **given)


def test_a_pipeline_of_models_with_new_items_answers_like_models_that_have_them() -> None:
    first, rest = cut(WORLD, 20)
    model = BM3(**BM3.tiny).changed({"schedule": {"epochs": 1}}).fit(first, Run())
    whole = add(model, rest)
    for joined, wanted in (
        (Cascade(model, model, 15), Cascade(whole, whole, 15)),
        (Reranked(model, (MMR(),)), Reranked(whole, (MMR(),))),
        (Fallback(Filtered(model, "id > 5"), model), Fallback(Filtered(whole, "id > 5"), whole)),
    ):
        found = add(joined, rest)
        assert len(joined.catalog.items) == 20
        assert found.catalog.items.ids.equals(whole.catalog.items.ids)
        told = found.recommend(asked(found), 25)
        assert torch.equal(told.items, wanted.recommend(asked(wanted), 25).items)
        assert bool((told.items >= 20).any())
        assert add(found, rest) is found


def test_a_part_that_knows_items_by_events_stays_without_them_where_others_name_them() -> None:
    first, rest = cut(WORLD, 20)
    mixed = add(Mixture((knn(first), ease(first))), rest)
    known, unknown = mixed.recommenders
    assert (len(known.catalog.items), len(unknown.catalog.items)) == (30, 20)
    found = mixed.recommend(asked(mixed), 30).items
    assert bool((found >= 20).any())
    assert bool(((found >= 0) & (found < 20)).any())
    for part, joined in (
        ("recommenders-0", Mixture((ease(first), knn(first)))),
        ("ranker", Cascade(knn(first), ease(first))),
        ("inner", Fallback(ease(first), knn(first))),
    ):
        with pytest.raises(CannotAnswer, match=rf"{part} of a .*: EASE knows items by events"):
            add(joined, rest)


def test_an_item_without_a_row_among_given_vectors_is_like_nothing_else() -> None:
    first, rest = cut(WORLD, 20)
    vectors = torch.eye(20)
    found = add(Reranked(knn(first), (MMR(relevance=0.9),), vectors=vectors), rest)
    assert torch.equal(found.vectors, torch.cat([vectors, torch.zeros(10, 20)]))
    assert bool((found.recommend(asked(found), 25).items >= 20).any())


def test_parts_that_read_different_vectors_of_one_name_are_not_mixed_up() -> None:
    first, rest = cut(WORLD, 20)
    table = first.catalog.items.vectors["text"]
    items = replace(first.catalog.items, vectors={"text": table[:, :3]})
    narrow = replace(first, catalog=replace(first.catalog, items=items))
    with pytest.raises(BadData, match=r"'text' of .* and of 3 numbers"):
        contents_of(Mixture((knn(first), knn(narrow))))
    other = replace(first.catalog.items, vectors={"picture": table})
    pictures = replace(first, catalog=replace(first.catalog, items=other))
    both = Mixture((knn(first), knn(pictures)))
    assert set(contents_of(both).vectors) == {"text", "picture"}
    with pytest.raises(NoContent, match="picture"):
        add(both, rest)
