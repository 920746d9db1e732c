"""How far the distributions over a whole catalogue are apart that several states of one make.

As in `everything`, the scores of a few examples exist at once, and gradients are made with them.
For state i of J, sum_{j != i} KL(y_i || y_j) = sum_v y_i (J log y_i - sum_j log y_j), so that no
pair of states is looked at by itself.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tesserec.parts.objectives.everything import FEWEST, HELD


def divergence(queries: Tensor, items: Tensor) -> Tensor:
    """The mean KL(y_i || y_j) over ordered pairs of J states: [E, J, D], [I, D] -> [E]

    y is the softmax of the inner products with all items. The gradient sees each y_j as fixed: a
    state moves away from the others, and is not moved by them.
    """
    if queries.shape[1] < 2:
        return queries.new_zeros(len(queries))
    apart: Tensor = _Divergence.apply(queries.contiguous(), items)  # type: ignore[no-untyped-call]
    return apart


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor) -> Tensor:
        apart = queries.new_empty(len(queries))
        learns = queries.requires_grad or items.requires_grad
        of_queries, of_items = torch.empty_like(queries), torch.zeros_like(items)
        for rows, scores in _blocks(queries, items):
            apart[rows], slopes = _compared(scores)
            if learns:
                torch.mm(slopes, items, out=of_queries[rows].flatten(0, 1))
                of_items.addmm_(slopes.T, queries[rows].flatten(0, 1))
        ctx.save_for_backward(queries, items, of_queries, of_items)
        return apart

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        queries, items, of_queries, of_items = ctx.saved_tensors
        if not len(queries) or bool((gradient == gradient[0]).all()):
            scale = gradient[0] if len(queries) else 0.0
            return of_queries * scale, of_items * scale
        weighted = torch.zeros_like(items)
        for rows, scores in _blocks(queries, items):
            _, slopes = _compared(scores)
            own = queries[rows] * gradient[rows, None, None]
            weighted.addmm_(slopes.T, own.flatten(0, 1))
        return of_queries * gradient[:, None, None], weighted


def _blocks(queries: Tensor, items: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The scores of some examples at a time, in memory that is used again: [b, J, I]"""
    examples, states, _ = queries.shape
    size = max(FEWEST, HELD // max(len(items), 1)) // states + 1
    room = queries.new_empty(min(size, examples) * states, len(items))
    for first in range(0, examples, size):
        own = queries[first : first + size].flatten(0, 1)
        # With `out`, which autocast leaves alone, all of it is done in one precision.
        scores = torch.mm(own, items.T, out=room[: len(own)])
        yield slice(first, first + size), scores.view(-1, states, len(items))


def _compared(scores: Tensor) -> tuple[Tensor, Tensor]:
    """How far each example's states are apart, and the slope of that: [b], [b J, I]"""
    states = scores.shape[1]
    logs = scores.sub_(scores.logsumexp(2, keepdim=True))
    chances = logs.exp()
    above = logs.mul(states).sub_(logs.sum(1, keepdim=True))
    apart = (chances * above).sum(2)  # [b, J] of each state from all others
    slopes = above.sub_(apart[:, :, None]).mul_(chances).div_(states * (states - 1))
    return apart.sum(1) / (states * (states - 1)), slopes.flatten(0, 1)
