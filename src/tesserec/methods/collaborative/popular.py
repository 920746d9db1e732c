"""Popular: everybody gets what most people chose. The bar that every method must clear."""

import torch
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Requests, Run
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm


class Popular(ClosedForm):
    """Rank items by their training events."""

    def network(self, data: Dataset) -> nn.Module:
        return Network(data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        network.events.copy_(data.popularity)  # type: ignore[operator,union-attr]

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, data: Dataset) -> None:
        super().__init__()
        self.events: Tensor
        self.register_buffer("events", torch.zeros(len(data.catalog.items)))  # [I]

    def score_all(self, requests: Requests) -> Tensor:
        """[B, I]"""
        return self.events.expand(len(requests), -1)
