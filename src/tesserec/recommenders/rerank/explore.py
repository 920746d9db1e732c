"""Explore: now and then something else is shown, so that it can be learned whether it is liked.

How likely each item was at its place, given those before it, is part of the answer: with these
propensities what people then do can be weighted (Horvitz, Thompson: A generalization of sampling
without replacement from a finite universe, JASA 1952).

The same question gets the same answer: chance is a number made of the seed, the person, the
history and the time. Another event, another time or another seed make another number.
"""

from abc import abstractmethod
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from tesserec.core import Recommendations, Requests
from tesserec.recommenders.rerank.lists import take
from tesserec.recommenders.rerank.reranker import Reranker
from tesserec.recommenders.top_k import padded

Numbers = NDArray[np.uint64]


class Explore(Reranker):
    """Scores stay what the recommender gave: where chance has chosen, they do not descend."""

    seed: int = Field(default=0, ge=0)

    @abstractmethod
    def draw(self, requests: Requests, found: Recommendations, k: int) -> tuple[Tensor, Tensor]:
        """The places chosen, -1 for none, and how likely each was after those before: 2 x [B, k]"""

    def __call__(
        self, requests: Requests, found: Recommendations, k: int, unit: Tensor | None
    ) -> Recommendations:
        places, chances = self.draw(requests, found, min(k, found.items.shape[1]))
        none, places = places < 0, places.clamp(min=0)
        items = found.items.gather(1, places).masked_fill(none, -1)
        scores = found.scores.gather(1, places).masked_fill(none, -torch.inf)
        chances = chances.float().masked_fill(none, 0.0)
        missing = k - items.shape[1]
        answer = padded(items, scores, k)
        return replace(answer, propensities=torch.nn.functional.pad(chances, (0, max(missing, 0))))


class Epsilon(Explore):
    """Each place is given, with a probability, to any of what is left, else to the best of it."""

    share: float = Field(default=0.1, ge=0, le=1)  # epsilon

    def draw(self, requests: Requests, found: Recommendations, k: int) -> tuple[Tensor, Tensor]:
        free = found.items >= 0
        lots = uniform(requests, found.items, self.seed)  # who is next when chance chooses
        turns = torch.arange(-2, -2 - k, -1).expand(len(free), k)  # numbers that are no item's
        explores = uniform(requests, turns, self.seed) < self.share
        rows = torch.arange(len(free))
        best_first = -torch.arange(free.shape[1], dtype=torch.float64).expand_as(lots)
        places, chances = [], []
        for count in range(k):
            best, _ = take(best_first.masked_fill(~free, -torch.inf))
            other, _ = take(lots.masked_fill(~free, -torch.inf))
            place = torch.where(explores[:, count], other, best)
            left = free.sum(1)
            places.append(torch.where(left > 0, place, -1))
            chances.append(self.share / left + (1 - self.share) * (place == best))
            free[rows, place] = False
        return _stacked(places, free), _stacked(chances, free).double()


class Gumbel(Explore):
    """Noise is added to the scores: better items are likelier, at every place, by a softmax.

    The order of scores / temperature + Gumbel noise is a draw from the Plackett-Luce model, in
    which each place goes to one of what is left with odds exp(score / temperature) (Yellott: The
    relationship between Luce's choice axiom, Thurstone's theory ..., J. Math. Psychology 1977).
    """

    temperature: float = Field(default=1.0, gt=0)  # in units of the recommender's scores

    def draw(self, requests: Requests, found: Recommendations, k: int) -> tuple[Tensor, Tensor]:
        there = found.items >= 0
        logits = (found.scores.double() / self.temperature).masked_fill(~there, -torch.inf)
        noise = -(-uniform(requests, found.items, self.seed).log()).log()
        order = (logits + noise).sort(dim=1, descending=True, stable=True).indices
        ordered = logits.gather(1, order)
        left = ordered.flip(1).logcumsumexp(1).flip(1)  # of each place's item and all after it
        order = torch.where(ordered > -torch.inf, order, -1)
        return order[:, :k], (ordered - left).exp()[:, :k]


def uniform(requests: Requests, labels: Tensor, seed: int) -> Tensor:
    """A number between 0 and 1 for each label of each request, the same each time: [B, C]"""
    asked = _number_of(requests, seed)[:, None]
    mixed = _mix(asked ^ _mix(labels.numpy().astype(np.uint64)))
    # 53 bits fill a float64; the half keeps 0 and 1 out.
    return torch.from_numpy(((mixed >> np.uint64(11)) + 0.5) * 2.0**-53)


def _number_of(requests: Requests, seed: int) -> Numbers:
    """A number of each request that does not depend on what is asked beside it: [B]"""
    rows, places = requests.history.items.places()
    items = requests.history.items.values[places]
    nth = places - requests.history.items.starts[rows]
    events = _mix(items.numpy().astype(np.uint64) ^ _mix(nth.numpy().astype(np.uint64)))
    total = np.zeros(len(requests), np.uint64)
    np.add.at(total, rows.numpy(), events)
    number = _mix(total ^ _mix(requests.user.numpy().astype(np.uint64)))
    if requests.time is not None:
        number = _mix(number ^ requests.time.numpy().astype(np.uint64))
    return _mix(number ^ np.uint64(seed))


def _mix(numbers: Numbers) -> Numbers:
    """Numbers whose bits all depend on all bits; splitmix64's finalizer.

    Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _stacked(columns: list[Tensor], like: Tensor) -> Tensor:
    """k x [B] -> [B, k]"""
    return torch.stack(columns, 1) if columns else torch.zeros(len(like), 0, dtype=torch.int64)
