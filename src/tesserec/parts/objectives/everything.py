"""The cross-entropy over a whole catalogue, with the scores of a few examples held at a time.

Of all scores [E, I], a block exists at once, in memory that is used again. The gradients are made
with it: they only have to be scaled where all examples count alike. Where they do not, the scores
are made a second time, each example's with its own weight.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

HELD = 2**20  # scores held at once, 4 MB
FEWEST = 64  # examples of a block, however large the catalogue: products of fewer are slow


def cross_entropy(queries: Tensor, items: Tensor, chosen: Tensor) -> Tensor:
    """-log softmax of each chosen item's score among all: [E, D], [I, D], [E] -> [E]"""
    losses: Tensor = _CrossEntropy.apply(queries, items, chosen)  # type: ignore[no-untyped-call]
    return losses


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor, chosen: Tensor) -> Tensor:
        losses = queries.new_empty(len(queries))
        learns = queries.requires_grad or items.requires_grad
        of_queries, of_items = torch.empty_like(queries), torch.zeros_like(items)
        for rows, scores in _blocks(queries, items):
            own = scores.gather(1, chosen[rows, None])[:, 0]
            normaliser = _softmax(scores)
            losses[rows] = normaliser - own
            if learns:
                scores[torch.arange(len(scores)), chosen[rows]] -= 1
                torch.mm(scores, items, out=of_queries[rows])
                of_items.addmm_(scores.T, queries[rows])
        ctx.save_for_backward(queries, items, chosen, of_queries, of_items)
        return losses

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        queries, items, chosen, of_queries, of_items = ctx.saved_tensors
        if not len(queries) or bool((gradient == gradient[0]).all()):
            scale = gradient[0] if len(queries) else 0.0
            return of_queries * scale, of_items * scale, None
        weighted = torch.zeros_like(items)
        for rows, scores in _blocks(queries, items):
            _softmax(scores)
            scores[torch.arange(len(scores)), chosen[rows]] -= 1
            weighted.addmm_(scores.T, queries[rows] * gradient[rows, None])
        return of_queries * gradient[:, None], weighted, None


def _blocks(queries: Tensor, items: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Scores of some queries at a time, in memory that the next ones use again: [b, I]"""
    size = max(FEWEST, HELD // max(len(items), 1))
    room = queries.new_empty(min(size, len(queries)) * len(items))
    for first in range(0, len(queries), size):
        rows = slice(first, min(first + size, len(queries)))
        scores = room[: (rows.stop - first) * len(items)].view(-1, len(items))
        yield rows, torch.mm(queries[rows], items.T, out=scores)


def _softmax(scores: Tensor) -> Tensor:
    """Scores become their softmax, in place; the logarithm of what they were divided by: [b]"""
    largest = scores.amax(1, keepdim=True)
    total = scores.sub_(largest).exp_().sum(1, keepdim=True)
    scores.div_(total)
    return (largest + total.log())[:, 0]
