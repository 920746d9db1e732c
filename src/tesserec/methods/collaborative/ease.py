"""EASE: a linear autoencoder in closed form (Steck, WWW 2019, arXiv:1905.03375)."""

from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.linalg import lapack
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset, Requests, Run
from tesserec.core.errors import BadData
from tesserec.parts.graphs import gram
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm


class EASE(ClosedForm):
    """Reconstruct a binary history from itself by one item-item matrix with an empty diagonal.

    Memory: fitting holds one [I, I] float32 matrix and solves it in place: 4 I^2 bytes, 1.6 GB for
    20,000 items.
    """

    tiny: ClassVar = {"regularization": 1.0}

    regularization: Annotated[float, Field(gt=0)] = 500.0  # lambda

    def network(self, data: Dataset) -> nn.Module:
        return Network(data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        network.weight = network.average[None]  # its zeros make room for what is solved
        network.weight = weights(gram(data), self.regularization)
        chosen = data.popularity.float() / max(int(data.active.sum()), 1)
        network.average = chosen @ network.weight

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


def weights(table: Tensor, regularization: float) -> Tensor:
    """B of eq. 8 from X^T X, which is overwritten: B_ij = -P_ij / P_jj, B_jj = 0, P the inverse."""
    table.diagonal().add_(regularization)
    # A symmetric matrix is its own transpose, so LAPACK can work in the array where it lies.
    inverse, failed = lapack.spotrf(table.numpy().T, lower=1, overwrite_a=1, clean=0)
    if not failed:
        inverse, failed = lapack.spotri(inverse, lower=1, overwrite_c=1)
    if failed:
        raise BadData(
            f"X^T X + {regularization} I cannot be inverted in single precision.",
            "Raise regularization.",
        )
    _mirror(inverse)
    solved = torch.from_numpy(inverse.T)  # equal to the inverse, and row after row in memory
    solved.div_(-solved.diagonal().clone())
    return solved.fill_diagonal_(0)


def _mirror(matrix: np.ndarray, block: int = 1024) -> None:
    """Copy the lower triangle to the upper, block by block."""
    for start in range(0, len(matrix), block):
        stop = start + block
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T
        corner = matrix[start:stop, start:stop]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T


class Network(nn.Module):
    def __init__(self, data: Dataset) -> None:
        super().__init__()
        items = len(data.catalog.items)
        self.weight: Tensor
        self.average: Tensor
        self.register_buffer("weight", torch.zeros(items, items))  # [I, I]
        self.register_buffer("average", torch.zeros(items))  # [I] scores for an empty history

    def score_all(self, requests: Requests) -> Tensor:
        """Sum of the rows of the history's distinct items: [B, I]"""
        rows, items = _distinct(requests, len(self.weight))
        rows, items = rows.to(self.weight.device), items.to(self.weight.device)
        starts = torch.searchsorted(rows, torch.arange(len(requests), device=rows.device))
        scores = functional.embedding_bag(items, self.weight, starts, mode="sum")
        empty = (requests.history.items.lengths == 0).to(scores.device)
        scores[empty] = self.average
        return scores

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """What each history item adds to the score of one item per request: [n]"""
        rows, history = requests.history.items.pairs()
        return self.weight[history, items[rows]].cpu()

    def likeness(self, items: Tensor) -> Tensor:
        """How much each given item speaks for all others: [n, I]"""
        return self.weight[items]


def _distinct(requests: Requests, items: int) -> tuple[Tensor, Tensor]:
    """(request, item) pairs of the histories, each once, in order: [m], [m]"""
    rows, history = requests.history.items.pairs()
    pairs = torch.unique(rows * items + history)
    return pairs // items, pairs % items
