import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tesserec.core import Histories, Ragged, Requests, Scorer
from tesserec.recommenders import LookupRecommender
from toys.recommenders import items_of

USERS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
ITEMS = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [-1.0, 0.5]])


class Tables(nn.Module):
    def __init__(self, known: list[bool] | None = None) -> None:
        super().__init__()
        if known is not None:
            self.register_buffer("known", torch.tensor(known))

    def vectors(self) -> tuple[Tensor, Tensor]:
        return USERS, ITEMS


class Placing(Tables):
    """Puts every stranger at (0, 1)."""

    def stranger(self, histories: Histories, items: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1.0]]).expand(len(histories), -1)


def lookup(network: nn.Module | None = None) -> LookupRecommender:
    return LookupRecommender(network or Tables(), items_of(4))


def ask(users: list[int], histories: list[list[int]], **more) -> Requests:
    return Requests(torch.tensor(users), Histories(Ragged.of(histories)), **more)


def test_a_known_user_is_answered_by_inner_products_of_their_own_vector():
    answers = lookup().recommend(ask([0, 1], [[], [0]]), 3)
    assert answers.items.tolist() == [[0, 2, 1], [1, 2, 3]]
    assert answers.scores.tolist() == [[2.0, 1.0, 0.0], [3.0, 1.0, 0.5]]
    assert isinstance(lookup(), Scorer)


def test_a_stranger_is_the_mean_of_the_history_and_nobody_the_average_of_the_known():
    recommender = lookup(Tables(known=[True, True, False]))
    queries = recommender.queries(ask([-1, -1, 2, 2, 0], [[0, 1], [], [2, 2], [], [1]]))
    assert queries.tolist() == [
        [1.0, 1.5],  # mean of items 0 and 1
        [0.5, 0.5],  # average of users 0 and 1; user 2 had no events
        [1.0, 1.0],  # user 2 has no vector of their own
        [0.5, 0.5],
        [1.0, 0.0],  # user 0 has, whatever the history
    ]


def test_a_network_may_say_itself_where_strangers_are():
    queries = lookup(Placing()).queries(ask([-1, -1, 0], [[3], [], [1]]))
    assert queries.tolist() == [[0.0, 1.0], [2.0, 2.0], [1.0, 0.0]]


def test_when_nobody_is_known_nobody_is_zero():
    assert lookup(Tables(known=[False] * 3)).queries(ask([-1], [[]])).tolist() == [[0.0, 0.0]]


def test_without_a_row_for_any_user_all_are_strangers():
    nobody = {
        "users": torch.zeros(0, 2),
        "items": ITEMS,
        "average": torch.zeros(2),
        "known": torch.zeros(0, dtype=torch.bool),
    }
    queries = lookup().with_tables(nobody).queries(ask([-1, -1], [[0, 1], []]))
    assert queries.tolist() == [[1.0, 1.5], [0.0, 0.0]]


@pytest.mark.parametrize("shared", [True, False], ids=["the same items for all", "own items"])
def test_scores_of_given_items_are_inner_products_and_nothing_scores_lowest(shared):
    items = torch.tensor([[2, -1, 0]])
    items = items.expand(3, -1) if shared else items.repeat(3, 1)
    scores = lookup().score(ask([0, 1, 2], [[]] * 3), items)
    expected = [[1.0, -np.inf, 2.0], [1.0, -np.inf, 0.0], [10.0, -np.inf, 10.0]]
    assert scores.tolist() == expected


def test_candidates_are_ranked_among_themselves():
    asked = ask([0, 0], [[], []], candidates=torch.tensor([[3, 1, -1], [1, 2, 0]]))
    answers = lookup().recommend(asked, 4)
    assert answers.items.tolist() == [[1, 3, -1, -1], [0, 2, 1, -1]]


def test_neighbours_are_nearest_by_angle_without_the_item_itself():
    found = lookup().similar(torch.tensor([0, 2]), 4)
    unit = (ITEMS / ITEMS.norm(dim=1, keepdim=True)).numpy()
    for row, item in enumerate((0, 2)):
        cosines = unit @ unit[item]
        order = [other for other in np.argsort(-cosines, kind="stable") if other != item]
        assert found.items[row].tolist() == [*order, -1]
        assert found.scores[row, :3].tolist() == pytest.approx(cosines[order].tolist())


def test_shares_of_reasons_add_up_to_one_and_skip_what_points_away():
    asked = ask([0, -1, -1], [[0, 3], [1, 2, 2], []])
    shares = lookup().shares(asked, torch.tensor([2, 0, 1]))
    assert shares.tolist() == pytest.approx([1.0, 0.0, 0.0, 0.5, 0.5])


def test_tables_may_take_the_place_of_the_network():
    recommender = lookup()
    stored = {**recommender.tables(), "users": USERS.flip(1)}
    answers = recommender.with_tables(stored).recommend(ask([0], [[]]), 1)
    assert answers.items.tolist() == [[1]]
