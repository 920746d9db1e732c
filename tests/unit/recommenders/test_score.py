import pytest
import torch
from torch import Tensor, nn

from tesserec.core import Histories, Ragged, Requests
from tesserec.core.errors import CannotAnswer
from tesserec.recommenders import ScoreRecommender
from tesserec.recommenders import score as module
from toys.recommenders import asked_by, items_of, written

TABLE = torch.tensor([[3.0, 1.0, 2.0], [0.0, 0.0, 5.0], [1.0, 4.0, 1.0]])


def test_the_whole_row_is_ranked():
    assert written(TABLE).recommend(asked_by(3), 2).items.tolist() == [[0, 2], [2, 0], [1, 0]]


def test_given_items_are_scored_by_their_row_and_nothing_scores_lowest():
    items = torch.tensor([[2, 0], [-1, 1], [1, 1]])
    assert written(TABLE).score(asked_by(3), items).tolist() == [
        [2.0, 3.0],
        [-torch.inf, 0.0],
        [4.0, 4.0],
    ]


def test_candidates_are_ranked_among_themselves():
    candidates = torch.tensor([[1, 2], [0, 1], [2, -1]])
    answers = written(TABLE).recommend(asked_by(3, candidates=candidates), 2)
    assert answers.items.tolist() == [[2, 1], [0, 1], [2, -1]]


class Counting(nn.Module):
    """Remembers how many requests it was asked at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def score_all(self, requests: Requests) -> Tensor:
        self.sizes.append(len(requests))
        return TABLE[requests.user % 3]


def test_no_table_of_scores_is_larger_than_a_block(monkeypatch):
    monkeypatch.setattr(
        module.ScoreRecommender, "_blocks", lambda self, count: [slice(0, 2), slice(2, count)]
    )
    network = Counting()
    recommender = ScoreRecommender(network, items_of(3))
    items = torch.tensor([[0], [1], [2]])
    assert recommender.score(asked_by(3), items).tolist() == [[3.0], [0.0], [1.0]]
    assert recommender.recommend(asked_by(3), 1).items.tolist() == [[0], [2], [1]]
    assert network.sizes == [2, 1, 2, 1]


def test_a_block_of_scores_takes_at_most_16_megabytes():
    recommender = ScoreRecommender(Counting(), items_of(3))
    blocks = recommender._blocks(6_000_000)
    assert max(block.stop - block.start for block in blocks) * 3 * 4 <= 16 * 2**20
    assert recommender._blocks(0) == []


def test_what_a_network_cannot_say_is_refused():
    recommender = ScoreRecommender(Counting(), items_of(3))
    with pytest.raises(CannotAnswer, match="compare items"):
        recommender.similar(torch.tensor([0]), 1)
    with pytest.raises(CannotAnswer, match="reasons"):
        recommender.shares(Requests(torch.tensor([0]), Histories(Ragged.of([[1]]))), torch.ones(1))


def test_nobody_asked_is_nobody_answered():
    assert written(TABLE).recommend(asked_by(0), 4).items.shape == (0, 4)
    assert written(TABLE).score(asked_by(0), torch.zeros(0, 2, dtype=int)).shape == (0, 2)
