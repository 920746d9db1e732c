"""Neighbourhoods: each item leads to a few others, and a history to what its items lead to."""

import torch
from torch import Tensor, nn

from tesserec.core import Ragged, Requests
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel


class Neighbourhood(nn.Module):
    """The nearest items of each item: a history scores what its items lead to."""

    def __init__(self, items: int, neighbours: int) -> None:
        super().__init__()
        self.near: Tensor
        self.similarity: Tensor
        self.average: Tensor
        self.register_buffer("near", torch.full((items, neighbours), -1))  # [I, K]
        self.register_buffer("similarity", torch.zeros(items, neighbours))  # [I, K]
        self.register_buffer("average", torch.zeros(items))  # [I] scores for an empty history

    def fill(self, near: Tensor, similarity: Tensor, popularity: Tensor) -> None:
        """Take the neighbours of each item, -1 and 0 where there are fewer: [I, K], [I, K], [I]"""
        self.near.copy_(near)
        self.similarity.copy_(similarity)
        everybody = similarity * popularity[:, None]
        self.average.index_add_(0, near.clamp(min=0).reshape(-1), everybody.reshape(-1))

    def score_all(self, requests: Requests) -> Tensor:
        """Sum of similarities from the history's items: [B, I]"""
        history = requests.history.items
        scores = self.sums(history)
        scores[history.lengths == 0] = self.average
        return scores

    def sums(self, rows: Ragged) -> Tensor:
        """Similarities of all items to those of each row, added up: [B, I]"""
        scores = torch.zeros(len(rows), len(self.near))
        arrays = (rows.values, rows.starts, rows.ends, self.near, self.similarity, scores)
        bounds = balanced(rows.lengths.add(1).cumsum(0).numpy(), width=self.near.shape[1])
        in_parallel(_add_up, bounds, *(one.numpy() for one in arrays))
        return scores

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """What each history item adds to the score of one item per request: [n]"""
        rows, history = requests.history.items.pairs()
        return (self.similarity[history] * (self.near[history] == items[rows][:, None])).sum(1)

    def likeness(self, items: Tensor) -> Tensor:
        """Similarity of given items to all: [n, I]"""
        return self.sums(Ragged.packed(items, torch.ones_like(items)))


@kernel()
def _add_up(items, starts, ends, near, similarity, scores, first, last):  # type: ignore[no-untyped-def]
    for r in range(first, last):
        for e in range(starts[r], ends[r]):
            item = items[e]
            for n in range(near.shape[1]):
                if near[item, n] < 0:
                    break
                scores[r, near[item, n]] += similarity[item, n]
