"""The cross-entropy over a whole catalogue, with the scores of a few examples held at a time.

Of all scores [E, I], a block exists at once. The gradients are made with it: they only have to be
scaled where all examples count alike. Where they do not, the scores are made a second time, each
example's with its own weight.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.parts.linear import filled, product

HELD = 2**20  # scores held at once, 4 MB
SMALL = 60.0  # exp(60) times the largest catalogue, and exp(-60), are far inside of float32
FEWEST = 64  # examples of a block, however large the catalogue: products of fewer are slow


def cross_entropy(queries: Tensor, items: Tensor, chosen: Tensor) -> Tensor:
    """-log softmax of each chosen item's score among all: [E, D], [I, D], [E] -> [E]"""
    losses: Tensor = _CrossEntropy.apply(queries, items, chosen)  # type: ignore[no-untyped-call]
    return losses


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor, chosen: Tensor) -> Tensor:
        learns = queries.requires_grad or items.requires_grad
        count, queries = len(queries), filled(queries)
        chosen = functional.pad(chosen, (0, len(queries) - count))
        losses = queries.new_empty(len(queries))
        of_queries, of_items = torch.empty_like(queries), torch.zeros_like(items)
        small = _are_small(queries, items)
        for rows, scores in _blocks(queries, items):
            own = scores.gather(1, chosen[rows, None])
            largest, total = _exponentials(scores, small)
            losses[rows] = (largest + total.log() - own)[:, 0]
            if learns:
                torch.div(product(scores, items.T), total, out=of_queries[rows])
                of_items += product((queries[rows] / total).T, scores.T).T
        if learns:
            of_queries -= items[chosen]
            of_items.index_add_(0, chosen, queries, alpha=-1)
        ctx.save_for_backward(queries, items, chosen, of_queries, of_items)
        return losses[:count]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        queries, items, chosen, of_queries, of_items = ctx.saved_tensors
        count = len(gradient)
        if not count or bool((gradient == gradient[0]).all()):
            scale = gradient[0] if count else 0.0
            return of_queries[:count] * scale, of_items * scale, None
        gradient = functional.pad(gradient, (0, len(queries) - count))
        counting = queries * gradient[:, None]
        weighted = torch.zeros_like(items).index_add_(0, chosen, counting, alpha=-1)
        small = _are_small(queries, items)
        for rows, scores in _blocks(queries, items):
            _, total = _exponentials(scores, small)
            weighted += product((counting[rows] / total).T, scores.T).T
        return (of_queries * gradient[:, None])[:count], weighted, None


def _blocks(queries: Tensor, items: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Scores of some queries at a time, in memory that is soon used again: [b, I]"""
    size = 2 ** max(FEWEST, HELD // max(len(items), 1)).bit_length() // 2  # a power of two
    for first in range(0, len(queries), size):
        rows = slice(first, min(first + size, len(queries)))
        yield rows, product(queries[rows], items)


def _are_small(queries: Tensor, items: Tensor) -> bool:
    """Whether no exponential of a score can leave the range of its type, by their lengths."""
    if not len(queries) or not len(items):
        return True
    return bool(queries.norm(dim=1).max() * items.norm(dim=1).max() <= SMALL)


def _exponentials(scores: Tensor, small: bool) -> tuple[Tensor | float, Tensor]:
    """Scores become exp(score - largest), in place; the largest of each row, the sum: 2 x [b, 1]

    Small ones are not looked through for the largest, which is called 0 then. Who wants the softmax
    divides what is made of them by the sum: a short row, not a long one.
    """
    if small:
        return 0.0, scores.exp_().sum(1, keepdim=True)
    largest = scores.amax(1, keepdim=True)
    return largest, scores.sub_(largest).exp_().sum(1, keepdim=True)
