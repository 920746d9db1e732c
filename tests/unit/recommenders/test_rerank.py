"""Rerankers: greedy choices against slow references, and what chance does."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.core.errors import BadSpec
from tesserec.core.registry import every
from tesserec.recommenders.rerank import DPP, MMR, Epsilon, Explore, Gumbel, Reranker
from tesserec.recommenders.rerank.explore import uniform

NOBODY = Requests(torch.full((3,), -1), Histories(Ragged.empty(3)))


def lists(seed: int, items: int = 9, dim: int = 4) -> tuple[Recommendations, torch.Tensor]:
    """Three lists of 9, 5 and no answers, and a vector of unit length for each item."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(items, generator=draw) for _ in range(3)])
    scores = (5 * torch.randn(3, items, generator=draw)).sort(dim=1, descending=True).values
    gone = torch.arange(items) >= torch.tensor([[9], [5], [0]])
    found = Recommendations(order.masked_fill(gone, -1), scores.masked_fill(gone, -torch.inf))
    unit = torch.nn.functional.normalize(torch.randn(items, dim, generator=draw), dim=1)
    return found, unit


def relevance_of(scores: list[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [1.0 if high == low else (one - low) / (high - low) for one in scores]


def slow_mmr(items, scores, unit, trade, k):
    good, chosen, worth = relevance_of(scores), [], []
    while len(chosen) < min(k, len(items)):
        values = {}
        for place, item in enumerate(items):
            if place not in chosen:
                near = [float(unit[item] @ unit[items[other]]) for other in chosen]
                values[place] = trade * good[place] - (1 - trade) * max([0.0, *near])
        best = max(values, key=lambda place: values[place])
        chosen.append(best)
        worth.append(values[best])
    return [items[place] for place in chosen], worth


def slow_dpp(items, scores, unit, trade, k):
    """Each step looks at the determinant of the whole set."""
    good, chosen, worth = relevance_of(scores), [], []
    vectors = torch.nn.functional.normalize(unit[items].double(), dim=1).numpy()
    kernel = (1 + vectors @ vectors.T) / 2

    def value(places):
        inside = kernel[np.ix_(places, places)]
        log = np.linalg.slogdet(inside)[1] if places else 0.0
        return trade * sum(good[place] for place in places) + (1 - trade) * log

    while len(chosen) < min(k, len(items)):
        rest = [place for place in range(len(items)) if place not in chosen]
        values = {place: round(value([*chosen, place]), 9) for place in rest}
        best = max(values, key=lambda place: values[place])
        worth.append(values[best] - value(chosen))
        chosen.append(best)
    return [items[place] for place in chosen], worth


@pytest.mark.parametrize(("kind", "slow"), [(MMR, slow_mmr), (DPP, slow_dpp)])
@pytest.mark.parametrize("trade", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_greedy_choice_is_that_of_a_loop(kind, slow, trade, seed):
    found, unit = lists(seed, dim=12)  # a set of 9 has a determinant
    answer = kind(relevance=trade)(NOBODY, found, 6, unit)
    for row, count in enumerate((9, 5)):
        items, scores = found.items[row, :count].tolist(), found.scores[row, :count].tolist()
        expected, worth = slow(items, scores, unit, trade, 6)
        assert answer.items[row].tolist() == expected + [-1] * (6 - len(expected))
        assert answer.scores[row, : len(worth)].tolist() == pytest.approx(worth, abs=1e-4)
    assert answer.items[2].tolist() == [-1] * 6


@pytest.mark.parametrize("kind", [MMR, DPP])
def test_relevance_alone_is_the_list_as_it_was(kind):
    found, unit = lists(0)
    assert torch.equal(kind(relevance=1.0)(NOBODY, found, 9, unit).items, found.items)


@pytest.mark.parametrize("kind", [MMR, DPP])
def test_a_twin_comes_after_what_is_different(kind):
    unit = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = Recommendations(torch.tensor([[0, 1, 2]]), torch.tensor([[3.0, 2.9, 2.0]]))
    assert kind(relevance=0.5)(NOBODY[:1], found, 3, unit).items.tolist() == [[0, 2, 1]]


def test_where_vectors_have_no_more_directions_the_rest_keeps_its_order():
    unit = torch.tensor([[1.0, 0.0]]).expand(5, 2)
    found = Recommendations(torch.tensor([[4, 2, 0, 1, 3]]), torch.tensor([[5.0, 4, 3, 2, 1]]))
    answer = DPP(relevance=0.2)(NOBODY[:1], found, 5, unit)
    assert torch.equal(answer.items, found.items)
    assert bool(answer.scores.isfinite().all())


@pytest.mark.parametrize("kind", list(every(Reranker)))
@given(seed=st.integers(0, 1000), k=st.integers(1, 12))
@settings(max_examples=25)
def test_every_reranker_chooses_different_answers_of_those_found(kind, seed, k):
    found, unit = lists(seed)
    answer = kind()(NOBODY, found, k, unit)
    assert answer.items.shape == answer.scores.shape == (3, k)
    for row, count in enumerate((9, 5, 0)):
        items = [one for one in answer.items[row].tolist() if one >= 0]
        assert len(set(items)) == len(items) == min(k, count)
        assert set(items) <= set(found.items[row].tolist())
        assert answer.items[row, len(items) :].eq(-1).all()
        assert answer.scores[row, len(items) :].eq(-torch.inf).all()
    if not issubclass(kind, Explore):
        assert bool((answer.scores[:, 1:] <= answer.scores[:, :-1]).all())


@pytest.mark.parametrize("kind", list(every(Reranker)))
def test_every_reranker_survives_json_and_is_found_by_name(kind):
    assert Reranker.from_dict(kind().to_dict()) == kind()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (MMR, {"relevance": 1.1}),
        (DPP, {"relevance": -0.1}),
        (Epsilon, {"share": 2}),
        (Gumbel, {"temperature": 0}),
        (Gumbel, {"seed": -1}),
    ],
)
def test_fields_out_of_range_are_refused(kind, wrong):
    with pytest.raises(BadSpec):
        kind(**wrong)


# Chance


def crowd(count: int) -> Requests:
    return Requests(torch.arange(count), Histories(Ragged.empty(count)))


def short_list(count: int) -> Recommendations:
    """The same three items for everybody, of which the fourth place is empty."""
    items, scores = torch.tensor([[7, 4, 9, -1]]), torch.tensor([[1.0, 0.5, 0.0, -torch.inf]])
    return Recommendations(items.repeat(count, 1), scores.repeat(count, 1))


def slow_gumbel(order, temperature=0.7):
    odds = {7: math.exp(1 / temperature), 4: math.exp(0.5 / temperature), 9: 1.0}
    chances = []
    for place, item in enumerate(order):
        chances.append(odds[item] / sum(odds[one] for one in order[place:]))
    return chances


def slow_epsilon(order, share=0.4):
    chances, left = [], [7, 4, 9]
    for item in order:
        chances.append(share / len(left) + (1 - share) * (item == left[0]))
        left.remove(item)
    return chances


@pytest.mark.parametrize(
    ("explore", "slow"),
    [(Gumbel(temperature=0.7), slow_gumbel), (Epsilon(share=0.4), slow_epsilon)],
)
def test_propensities_are_what_counting_finds(explore, slow):
    count = 20_000
    answer = explore(crowd(count), short_list(count), 3, None)
    whole = 0.0
    for order in itertools.permutations([7, 4, 9]):
        met = (answer.items == torch.tensor(order)).all(1)
        expected = slow(list(order))
        whole += math.prod(expected)
        for told in answer.propensities[met]:
            assert told.tolist() == pytest.approx(expected, abs=1e-6)
            break
        chance = math.prod(expected)
        spread = math.sqrt(chance * (1 - chance) / count)
        assert float(met.double().mean()) == pytest.approx(chance, abs=4 * spread)
    assert whole == pytest.approx(1.0)


@pytest.mark.parametrize("explore", [Gumbel(temperature=0.7), Epsilon(share=0.4)])
def test_scores_and_propensities_belong_to_their_items(explore):
    found = explore(crowd(50), short_list(50), 5, None)
    given_scores = {7: 1.0, 4: 0.5, 9: 0.0, -1: -torch.inf}
    for items, scores, chances in zip(
        found.items.tolist(), found.scores.tolist(), found.propensities.tolist(), strict=True
    ):
        assert scores == [given_scores[item] for item in items]
        assert sorted(items) == [-1, -1, 4, 7, 9]
        assert chances[2] == pytest.approx(1.0)  # the last of three is certain
        assert chances[3:] == [0.0, 0.0]


def test_without_exploration_the_list_is_as_it_was():
    found, _ = lists(2)
    answer = Epsilon(share=0.0)(NOBODY, found, 9, None)
    assert torch.equal(answer.items, found.items)
    assert answer.propensities.tolist() == (found.items >= 0).float().tolist()
    cold = Gumbel(temperature=1e-4)(NOBODY, found, 9, None)
    assert torch.equal(cold.items, found.items)


def test_the_same_question_gets_the_same_answer_and_another_one_another():
    def asked(user=3, history=(1, 2), time=None) -> Requests:
        when = None if time is None else torch.tensor([time])
        return Requests(torch.tensor([user]), Histories(Ragged.of([list(history)])), time=when)

    labels = torch.arange(50)[None]
    base = uniform(asked(), labels, seed=0)
    assert torch.equal(base, uniform(asked(), labels, seed=0))
    different = [
        uniform(asked(), labels, seed=1),
        uniform(asked(user=4), labels, seed=0),
        uniform(asked(history=(2, 1)), labels, seed=0),
        uniform(asked(history=(1, 2, 2)), labels, seed=0),
        uniform(asked(time=5), labels, seed=0),
        uniform(asked(time=6), labels, seed=0),
    ]
    for one, other in itertools.combinations([base, *different], 2):
        assert not bool((one == other).any())


def test_chance_is_even_and_knows_no_neighbours():
    numbers = uniform(crowd(400), torch.arange(100).expand(400, -1), seed=5)
    assert bool(((numbers > 0) & (numbers < 1)).all())
    assert float(numbers.mean()) == pytest.approx(0.5, abs=0.01)
    counts = torch.histc(numbers, 20, 0, 1) / numbers.numel()
    assert float((counts - 0.05).abs().max()) < 0.005
    for one, other in ((numbers[1:], numbers[:-1]), (numbers[:, 1:], numbers[:, :-1])):
        pairs = torch.stack([one.flatten(), other.flatten()])
        assert abs(float(torch.corrcoef(pairs)[0, 1])) < 0.02
