"""ALS: matrix factorisation of implicit feedback by alternating least squares.

Hu, Koren and Volinsky, ICDM 2008 (the model); Takacs, Pilaszy and Tikk, RecSys 2011 (conjugate
gradient). An event makes us confident, c = 1 + alpha r, that a person likes an item (p = 1); no
event means p = 0 with confidence 1. With the item vectors fixed every user is a small
least-squares problem and the other way round.
"""

from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Histories, Ragged, Run
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel
from tesserec.recommenders import LookupRecommender
from tesserec.training import ClosedForm

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class ALS(ClosedForm):
    """Solve users, then items, then users again."""

    tiny: ClassVar = {"dim": 8, "epochs": 10, "regularization": 1.0}

    dim: Count = 64
    epochs: Count = 15
    alpha: Positive = 10.0  # confidence that one event adds
    regularization: Positive = 0.01  # lambda
    steps: Count = 3  # conjugate gradient steps per person and pass

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        by_user, by_item = _counts(data)
        for epoch in range(self.epochs):
            least_squares(by_user, network.items, network.users, self, self.steps)
            least_squares(by_item, network.users, network.items, self, self.steps)
            run.progress.advance(1, {"epoch": epoch + 1})
        network.known.copy_(data.active)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return LookupRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, method: ALS, data: Dataset) -> None:
        super().__init__()
        self.method = method
        users, items = len(data.catalog.users), len(data.catalog.items)
        self.users: Tensor
        self.items: Tensor
        self.known: Tensor
        self.register_buffer("users", 0.01 * torch.randn(users, method.dim))
        self.register_buffer("items", 0.01 * torch.randn(items, method.dim))
        self.register_buffer("known", torch.zeros(users, dtype=torch.bool))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """[U, D], [I, D]"""
        return self.users, self.items

    def stranger(self, histories: Histories, items: Tensor) -> Tensor:
        """The least-squares vector of each history, as if its person had been there: [B, D]"""
        found = torch.zeros(len(histories), items.shape[1])
        rows, chosen = histories.items.pairs()
        pairs, times = torch.unique(rows * len(items) + chosen, return_counts=True)
        distinct = Ragged.grouped(pairs // len(items), pairs % len(items), len(histories))
        counted = (distinct, times.float())
        least_squares(counted, items.cpu(), found, self.method, steps=items.shape[1])
        return found.to(items.device)


Counted = tuple[Ragged, Tensor]  # the other side's rows of each row, and how often each


def _counts(data: Dataset) -> tuple[Counted, Counted]:
    """Distinct items of each user with their numbers of events, and the same seen from items."""
    frame = data.interactions.frame.group_by("user", "item").len().sort("user", "item")
    users, items, counts = (torch.from_numpy(frame[c].to_numpy().copy()) for c in frame.columns)
    times = counts.float()
    back = torch.argsort(items, stable=True)
    return (
        (Ragged.grouped(users, items, len(data.catalog.users)), times),
        (Ragged.grouped(items, users, len(data.catalog.items)), times[back]),
    )


def least_squares(counted: Counted, fixed: Tensor, solved: Tensor, method: ALS, steps: int) -> None:
    """Improve each row of `solved` by conjugate gradient on eq. 4, `fixed` being the other side.

    (Y^T C Y + lambda I) x = Y^T C p, where Y^T C Y = Y^T Y + Y^T (C - I) Y needs only the
    chosen rows of Y. Rows that chose nothing become 0.
    """
    chosen, times = counted
    gram = (fixed.T @ fixed + method.regularization * torch.eye(fixed.shape[1])).numpy()
    confidence = (method.alpha * times).numpy()  # c - 1
    arrays: list[Any] = [chosen.values.numpy(), chosen.ends.numpy(), confidence, gram]
    bounds = balanced(chosen.lengths.add(2).cumsum(0).numpy(), width=fixed.shape[1])
    in_parallel(_conjugate_gradient, bounds, *arrays, fixed.numpy(), solved.numpy(), steps)


@kernel(fastmath=("contract", "reassoc"))
def _conjugate_gradient(  # type: ignore[no-untyped-def]
    chosen, ends, confidence, gram, fixed, solved, steps, first, last
):
    width = fixed.shape[1]
    residual = np.empty(width, np.float32)
    image = np.empty(width, np.float32)
    for row in range(first, last):
        start, stop = ends[row - 1] if row > 0 else 0, ends[row]
        x = solved[row]
        if start == stop:
            x[:] = 0
            continue
        # The residual Y^T C p - (Y^T C Y + lambda I) x.
        _times_gram(gram, x, residual)
        for d in range(width):
            residual[d] = -residual[d]
        for e in range(start, stop):
            y = fixed[chosen[e]]
            factor = 1 + confidence[e] - confidence[e] * _dot(y, x)
            for d in range(width):
                residual[d] += factor * y[d]
        direction = residual.copy()
        length = _dot(residual, residual)
        for _ in range(steps):
            if length < 1e-20:
                break
            _times_gram(gram, direction, image)
            for e in range(start, stop):
                y = fixed[chosen[e]]
                factor = confidence[e] * _dot(y, direction)
                for d in range(width):
                    image[d] += factor * y[d]
            size = length / _dot(direction, image)
            for d in range(width):
                x[d] += size * direction[d]
                residual[d] -= size * image[d]
            shorter = _dot(residual, residual)
            for d in range(width):
                direction[d] = residual[d] + shorter / length * direction[d]
            length = shorter


@kernel(fastmath=("contract", "reassoc"))
def _dot(one, other):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(len(one)):
        total += one[d] * other[d]
    return total


@kernel(fastmath=("contract", "reassoc"))
def _times_gram(gram, x, out):  # type: ignore[no-untyped-def]
    out[:] = 0
    for a in range(len(x)):
        factor = x[a]
        row = gram[a]
        for d in range(len(x)):
            out[d] += factor * row[d]
