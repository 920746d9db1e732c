"""Repeat against what one would do by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Histories, Ragged, Requests, Run
from tesserec.core.errors import BadData, BadSpec, NoOrder
from tesserec.data import toys
from tesserec.methods.sequential.repeat import Repeat
from toys.worlds import world

KINDS = ("buy", "cart", "view")  # in the order of their codes
SHOP = world(
    [(0, 5, 1), (0, 5, 2), (1, 5, 1), (1, 2, 2), (2, 2, 3), (2, 0, 4)],
    items=range(7),
    kind=["view", "cart", "view", "buy", "view", "view"],
)
BY_POPULARITY = [5, 2, 0, 1, 3, 4, 6]


def asked(histories: list[list[int]], kinds: list[list[int]] | None = None) -> Requests:
    codes = None if kinds is None else Ragged.of(kinds).values
    items = Ragged.of(histories)
    return Requests(torch.full((len(items),), -1), Histories(items, kind=codes))


def by_hand(items: list[int], kinds: list[int], weights: dict[str, float]) -> list[int]:
    """Heavier kinds first, in each the most recent first; then by popularity."""
    events = [
        (weights.get(KINDS[kind], 1.0), place, item)
        for place, (item, kind) in enumerate(zip(items, kinds, strict=True))
    ]
    own = [item for weight, _, item in sorted(events, reverse=True) if weight > 0]
    return list(dict.fromkeys([*own, *BY_POPULARITY]))


events = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=9)
weights = st.dictionaries(st.sampled_from(KINDS), st.sampled_from([0.0, 0.5, 1.0, 2.0]))


@given(st.lists(events, min_size=1, max_size=4), weights)
def test_it_ranks_as_one_would_by_hand(histories, weights):
    items = [[item for item, _ in row] for row in histories]
    kinds = [[kind for _, kind in row] for row in histories]
    model = Repeat(weights=tuple(weights.items())).fit(SHOP, Run())
    found = model.recommend(asked(items, kinds), 7).items.tolist()
    expected = [by_hand(*pair, weights) for pair in zip(items, kinds, strict=True)]
    assert found == expected


def test_histories_without_kinds_count_by_age_alone():
    model = Repeat(weights=(("cart", 2.0), ("view", 0.0))).fit(SHOP, Run())
    found = model.recommend(asked([[1, 3, 1, 4], []]), 4)
    assert found.items.tolist() == [[4, 1, 3, 5], [5, 2, 0, 1]]


def test_the_last_cart_may_come_before_the_most_recent_view():
    requests = asked([[1, 3, 4]], [[2, 1, 2]])
    plain, weighed = Repeat(), Repeat(weights=(("cart", 2.0),))
    assert plain.fit(SHOP, Run()).recommend(requests, 3).items.tolist() == [[4, 3, 1]]
    assert weighed.fit(SHOP, Run()).recommend(requests, 3).items.tolist() == [[3, 4, 1]]


def test_the_reason_of_an_answer_is_its_best_event():
    model = Repeat().fit(SHOP, Run())
    requests = asked([[3, 1, 3, 4], [2]])
    shares = model.shares(requests, torch.tensor([3, 5]))
    assert shares.tolist() == [0, 0, 1, 0, 0]  # item 5 is not in the second history


def test_prefixes_of_one_history_are_told_apart():
    items, kinds = torch.tensor([1, 3, 1, 4]), torch.tensor([1, 2, 2, 0])
    starts = torch.tensor([0, 0, 1])
    prefixes = Histories(Ragged(items, starts, torch.tensor([2, 4, 3])), kind=kinds)
    requests = Requests(torch.full((3,), -1), prefixes)
    model = Repeat(weights=(("cart", 2.0),)).fit(SHOP, Run())
    assert model.recommend(requests, 2).items.tolist() == [[1, 3], [1, 4], [1, 3]]


def test_kinds_that_are_not_there_cannot_be_weighed():
    with pytest.raises(BadData, match=r"no 'sale' events.*buy, cart, view"):
        Repeat(weights=(("sale", 2.0),)).fit(SHOP, Run())
    with pytest.raises(BadData, match="none"):
        Repeat(weights=(("buy", 2.0),)).fit(toys.repeats(), Run())
    with pytest.raises(BadSpec):
        Repeat(weights=(("buy", -1.0),))


def test_without_an_order_nothing_is_recent():
    with pytest.raises(NoOrder):
        Repeat().fit(toys.checkerboard(), Run())
