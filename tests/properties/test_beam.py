"""Beam search against scoring every item, on random trees."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tesserec.core import Codes, Histories, Ragged, Requests
from tesserec.core.errors import BadRequest, BadSpec
from tesserec.data import toys
from tesserec.parts.generation import CodeReader, Decoder, Encoder, Generator
from tesserec.recommenders import BeamRecommender

SHAPE = 8, 1, 2, 4, 8, 0.0
CATALOG = toys.cycle(items=30).catalog
ITEMS = len(CATALOG.items)


def recommender(seed: int, children: bool, beam: int) -> BeamRecommender:
    """Random weights over random ids, some prefixes shared by many and some by few."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        drawn = (torch.rand(4 * 5 * 6).argsort())[:ITEMS]
        table = torch.stack(
            [drawn // 30 * (seed % 2), drawn // 6 % 5, drawn % 6 + 6 * (drawn // 30)], 1
        )
        codes = Codes(table, (4, 5, 24))
        reader = CodeReader(codes, Encoder(*SHAPE), 8)
        network = Generator(codes, reader, Decoder(*SHAPE), 8, torch.arange(ITEMS), 5, children)
    return BeamRecommender(network.eval(), CATALOG, beam=beam)


def requests(seed: int, count: int = 5, exclude: int = 0) -> Requests:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 7, (count,), generator=generator)
    items = torch.randint(ITEMS, (int(lengths.sum()),), generator=generator)
    out = [torch.randperm(ITEMS, generator=generator)[:exclude].tolist() for _ in range(count)]
    return Requests(
        torch.full((count,), -1),
        Histories(Ragged.packed(items, lengths)),
        exclude=Ragged.of(out) if exclude else None,
    )


def every_score(model: BeamRecommender, asked: Requests) -> torch.Tensor:
    return model.score(asked, torch.arange(ITEMS).expand(len(asked), -1))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.booleans(), st.integers(0, 25), st.booleans())
def test_a_wide_beam_is_scoring_every_item(
    seed: int, children: bool, exclude: int, some_allowed: bool
) -> None:
    model, asked = recommender(seed, children, beam=ITEMS), requests(seed, exclude=exclude)
    if some_allowed:
        asked = replace(asked, allowed=torch.arange(ITEMS) % 3 > 0)
    found = model.recommend(asked, ITEMS)
    scores = every_score(model, asked)
    for row in range(len(asked)):
        out = set() if asked.exclude is None else set(asked.exclude.row(row).tolist())
        may = {one for one in range(ITEMS) if not some_allowed or one % 3} - out
        there = found.items[row][found.items[row] >= 0]
        assert set(there.tolist()) == may
        torch.testing.assert_close(found.scores[row, : len(there)], scores[row, there])
        assert (found.scores[row, : len(there)].diff() <= 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(0, 25), st.integers(1, 6))
def test_a_narrow_beam_loses_no_answer_to_what_is_excluded(
    seed: int, exclude: int, beam: int
) -> None:
    model, asked = recommender(seed, False, beam), requests(seed, exclude=exclude)
    found = model.recommend(asked, beam)
    scores = every_score(model, asked)
    for row in range(len(asked)):
        out = set() if asked.exclude is None else set(asked.exclude.row(row).tolist())
        there = found.items[row][found.items[row] >= 0].tolist()
        assert len(set(there)) == len(there) == min(beam, ITEMS - len(out))
        assert not out & set(there)
        torch.testing.assert_close(found.scores[row, : len(there)], scores[row, there])


def test_probabilities_of_all_items_add_up_where_only_children_compete() -> None:
    model, asked = recommender(1, True, 5), requests(1)
    total = every_score(model, asked).logsumexp(1)
    torch.testing.assert_close(total, torch.zeros(len(asked)), atol=1e-5, rtol=0)
    free = every_score(recommender(1, False, 5), asked).logsumexp(1)
    assert (free < 0).all()


def test_equal_scores_come_in_the_order_of_rows() -> None:
    model, asked = recommender(3, True, ITEMS), requests(3)
    with torch.no_grad():
        model.network.tokens.zero_()
        model.network.begin.zero_()
    found = model.recommend(asked, ITEMS)
    for items, scores in zip(found.items, found.scores, strict=True):
        for score in scores.unique():
            assert items[scores == score].diff().ge(0).all()


def test_nobody_is_answered_by_popularity() -> None:
    model = recommender(2, False, 5)
    nobody = Requests(torch.tensor([-1]), Histories(Ragged.empty(1)), exclude=Ragged.of([[28]]))
    found = model.recommend(nobody, 3)
    assert found.items.tolist() == [[29, 27, 26]]
    torch.testing.assert_close(model.score(nobody, found.items), found.scores)


def test_what_is_written_freely_may_be_no_item_and_is_left_out() -> None:
    model, asked = recommender(1, False, 4 * 5 * 24), requests(1, exclude=4)
    free = replace(model, legal=False)
    # Nothing is lost where all tuples are kept: the answers are the legal ones.
    wide = free.recommend(asked, ITEMS)
    found = replace(model, beam=ITEMS).recommend(asked, ITEMS)
    assert torch.equal(wide.items, found.items)
    torch.testing.assert_close(wide.scores, found.scores)
    # With as many beams as answers, tuples that are none or excluded take the place of some.
    narrow = replace(free, beam=5).recommend(asked, 5)
    for row, (items, scores) in enumerate(zip(narrow.items, narrow.scores, strict=True)):
        there = items >= 0
        assert not set(items[there].tolist()) & set(asked.exclude.row(row).tolist())
        torch.testing.assert_close(scores[there], every_score(model, asked)[row, items[there]])
    assert (narrow.items < 0).any()


def test_what_is_written_freely_needs_a_model_that_knows_all_tokens() -> None:
    with pytest.raises(BadSpec, match="children alone competed"):
        replace(recommender(1, True, 5), legal=False)


@pytest.mark.parametrize("k", [0, -1])
def test_it_is_asked_for_one_answer_at_least(k: int) -> None:
    with pytest.raises(BadRequest, match=f"k = {k}"):
        recommender(1, False, 5).recommend(requests(1), k)


def test_scores_of_no_items_are_none() -> None:
    nothing = torch.zeros(5, 0, dtype=torch.int64)
    assert recommender(1, False, 5).score(requests(1), nothing).shape == (5, 0)
