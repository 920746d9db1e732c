"""Recommenders whose scores are written down."""

import torch
from torch import Tensor, nn

from tesserec.core import Catalog, Histories, Ragged, Requests
from tesserec.recommenders import ScoreRecommender
from toys.worlds import world


class Written(nn.Module):
    """Scores by the request's user: row u of a table."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def score_all(self, requests: Requests) -> Tensor:
        return self.table[requests.user]


def items_of(count: int) -> Catalog:
    """A catalogue of so many items."""
    return world([(0, 0)], items=range(count)).catalog


def written(table: Tensor) -> ScoreRecommender:
    """Answers user u with the best of row u: [U, I]"""
    return ScoreRecommender(Written(table), items_of(table.shape[1]))


def asked_by(users: int, **more: object) -> Requests:
    """One request of each of the first users, who did nothing before."""
    return Requests(torch.arange(users), Histories(Ragged.empty(users)), **more)  # type: ignore[arg-type]
