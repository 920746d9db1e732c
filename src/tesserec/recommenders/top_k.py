"""The one place that ranks, filters and pads.

Scores come in tiles that stay in the cache; a compiled pass keeps the best k of each request.
Equal scores are ordered by item row, whatever the tile size, the batch or the number of threads.
"""

import numpy as np
import torch
from torch import Tensor

from tesserec.core import Ragged, Recommendations, Requests
from tesserec.core.errors import BadRequest
from tesserec.core.kernels import kernel
from tesserec.core.parallel import even, in_parallel
from tesserec.parts.linear import product

TILE = 1024  # items whose scores are held at once, where there are many requests
BLOCK = 1024  # requests ranked at once


@torch.no_grad()
def rank_products(queries: Tensor, items: Tensor, requests: Requests, k: int) -> Recommendations:
    """The k items with the largest inner product: [B, D] x [I, D] -> [B, k]"""
    check(k)
    parts = []
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        if queries.device.type != "cpu":
            parts.append(_rank_by_torch(queries[block] @ items.T, requests[block], k))
            continue
        best = _best(requests[block], k)
        # As many scores for few requests: a tile has a cost of its own, which one request would
        # pay a hundred times over.
        width = TILE * BLOCK // len(queries[block])
        for first in range(0, len(items), width):
            best.offer(product(queries[block], items[first : first + width]), first)
        parts.append(best.answers())
    return Recommendations.joined(parts) if parts else nothing(0, k)


def rank_scores(scores: Tensor, requests: Requests, k: int) -> Recommendations:
    """The k items with the largest score: [B, I] -> [B, k]; items that score -inf are left out."""
    check(k)
    if scores.device.type != "cpu":
        return _rank_by_torch(scores, requests, k)
    best = _best(requests, k)
    for first in range(0, scores.shape[1], TILE):
        best.offer(scores[:, first : first + TILE].clone(), first)
    return best.answers()


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest of each row and their places, equal ones in order: [B, n] -> 2 x [B, count]

    -inf is never among them: its place is -1.
    """
    if scores.device.type != "cpu":
        best, places = scores.sort(dim=1, descending=True, stable=True)
        best, places = best[:, :count], places[:, :count]
        return best, torch.where(best > -torch.inf, places, -1)
    best_of = _Best(len(scores), count, Ragged.empty(len(scores)), None)
    best_of.offer(scores, 0)
    found = best_of.answers()
    return found.scores, found.items


def rank_candidates(scores: Tensor, requests: Requests, k: int) -> Recommendations:
    """The k best of `requests.candidates`, which score like this: [B, C] -> [B, k]"""
    check(k)
    candidates = requests.candidates
    assert candidates is not None
    usable = _usable(candidates, requests) & ~scores.cpu().isnan()
    ordered, order = torch.where(usable, candidates, torch.iinfo(torch.int64).max).sort(1)
    scores = torch.where(usable, scores.cpu(), -torch.inf).gather(1, order)
    scores[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = -torch.inf  # named twice, answered once
    scores, place = scores.sort(dim=1, descending=True, stable=True)
    items = torch.where(scores > -torch.inf, ordered.gather(1, place), -1)
    return padded(items[:, :k], scores[:, :k], k)


def nothing(count: int, k: int) -> Recommendations:
    """Answers for requests that cannot be answered."""
    return Recommendations(torch.full((count, k), -1), torch.full((count, k), -torch.inf))


def check(k: int) -> None:
    """Raises `BadRequest` for k below 1."""
    if k < 1:
        raise BadRequest(f"k = {k} answers were asked for.", "Ask for one or more.")


def _rank_by_torch(scores: Tensor, requests: Requests, k: int) -> Recommendations:
    """The same on any device: a stable sort keeps equal scores in the order of rows."""
    scores = scores.float().clone()
    if requests.exclude is not None:
        rows, items = requests.exclude.pairs()
        there = items >= 0
        scores[rows[there].to(scores.device), items[there].to(scores.device)] = -torch.inf
    if requests.allowed is not None:
        scores[:, ~requests.allowed.to(scores.device)] = -torch.inf
    scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    best, items = scores.sort(dim=1, descending=True, stable=True)
    items = torch.where(best > -torch.inf, items, -1)
    return padded(items[:, :k].cpu(), best[:, :k].cpu(), k)


def _usable(candidates: Tensor, requests: Requests) -> Tensor:
    """Which candidates may be answered: not a pad, not excluded, allowed: [B, C]"""
    usable = candidates >= 0
    if requests.exclude is not None and candidates.numel():
        rows, items = requests.exclude.pairs()
        width = 1 + int(torch.cat([candidates.reshape(-1), items]).max())
        asked = torch.arange(len(candidates))[:, None] * width + candidates
        usable &= ~torch.isin(asked, (rows * width + items)[items >= 0])
    if requests.allowed is not None:
        usable &= requests.allowed[candidates.clamp(min=0)]
    return usable


def padded(items: Tensor, scores: Tensor, k: int) -> Recommendations:
    """Answers k wide, -1 where there are fewer."""
    missing = k - items.shape[1]
    if missing > 0:
        items = torch.nn.functional.pad(items, (0, missing), value=-1)
        scores = torch.nn.functional.pad(scores, (0, missing), value=-torch.inf)
    return Recommendations(items, scores)


def _best(requests: Requests, k: int) -> "_Best":
    count = len(requests)
    exclude = requests.exclude if requests.exclude is not None else Ragged.empty(count)
    return _Best(count, k, exclude, requests.allowed)


class _Best:
    """The best k of each request among the scores offered so far."""

    def __init__(self, count: int, k: int, exclude: Ragged, allowed: Tensor | None) -> None:
        self.exclude = exclude.ordered()
        self.allowed = allowed
        self.scores = np.full((count, k), -np.inf, np.float32)
        self.items = np.full((count, k), -1, np.int64)
        self.at = self.exclude.starts.numpy().copy()  # excluded items passed over so far

    def offer(self, scores: Tensor, first_item: int) -> None:
        """Scores [B, tile] of the items from `first_item` on. They are overwritten."""
        if self.allowed is not None:
            scores[:, ~self.allowed[first_item : first_item + scores.shape[1]]] = -torch.inf
        arrays = (self.exclude.values.numpy(), self.at, self.exclude.ends.numpy())
        bounds = even(len(scores), scores.numel())
        table = scores.float().numpy()
        in_parallel(_keep_best, bounds, table, first_item, *arrays, self.scores, self.items)

    def answers(self) -> Recommendations:
        return Recommendations(torch.from_numpy(self.items), torch.from_numpy(self.scores))


@kernel()
def _keep_best(  # type: ignore[no-untyped-def]
    scores, first_item, excluded, at, ends, best_scores, best_items, first, last
):
    k, width = best_scores.shape[1], scores.shape[1]
    for r in range(first, last):
        place = at[r]
        while place < ends[r] and excluded[place] < first_item + width:
            if excluded[place] >= first_item:  # or it is -1, which is nothing
                scores[r, excluded[place] - first_item] = -np.inf
            place += 1
        at[r] = place
        worst = best_scores[r, k - 1]
        for c in range(width):
            score = scores[r, c]
            if score > worst:  # an equal score comes from a later row, and stays behind
                j = k - 1
                while j > 0 and best_scores[r, j - 1] < score:
                    best_scores[r, j] = best_scores[r, j - 1]
                    best_items[r, j] = best_items[r, j - 1]
                    j -= 1
                best_scores[r, j] = score
                best_items[r, j] = first_item + c
                worst = best_scores[r, k - 1]
