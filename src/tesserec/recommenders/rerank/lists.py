"""Lists of answers: their scores on one scale, and items chosen one after the other."""

import torch
from torch import Tensor

from tesserec.core import Recommendations
from tesserec.recommenders.top_k import padded


def rows_of(found: Recommendations, unit: Tensor) -> Tensor:
    """The vector of each answer, zeros beside -1: [B, C, D]"""
    there = (found.items >= 0)[..., None]
    return torch.where(there, unit[found.items.clamp(min=0)], 0.0)


def take(worth: Tensor) -> tuple[Tensor, Tensor]:
    """The place that is worth most in each row, the first of equals, and that worth: [B], [B]"""
    place = worth.argmax(1)
    return place, worth.gather(1, place[:, None])[:, 0]


class Choice:
    """Answers taken one after the other, each the one worth most of what is left then."""

    def __init__(self, found: Recommendations) -> None:
        self.found = found
        self.free = found.items >= 0
        self.places: list[Tensor] = []
        self.worth: list[Tensor] = []

    def take(self, worth: Tensor) -> Tensor:
        """The place taken next in each row, of those worth so much: [B, C] -> [B]"""
        place, best = take(worth.masked_fill(~self.free, -torch.inf))
        self.free[torch.arange(len(place)), place] = False
        self.places.append(place)
        self.worth.append(best)
        return place

    def answer(self, k: int) -> Recommendations:
        """What was taken, with what it was worth then: [B, k]"""
        if not self.places:
            return padded(self.found.items, self.found.scores, k)
        order, scores = torch.stack(self.places, 1), torch.stack(self.worth, 1)
        items = torch.where(scores > -torch.inf, self.found.items.gather(1, order), -1)
        # What an item is worth never rises as others are taken, but for rounding.
        return padded(items, scores.cummin(1).values, k)


def unit_range(found: Recommendations) -> Tensor:
    """Scores between 0 for the worst of each row and 1 for the best; 0 beside -1: [B, C]"""
    there = found.items >= 0
    scores = found.scores.float()
    best = scores.masked_fill(~there, -torch.inf).amax(1, keepdim=True)
    worst = scores.masked_fill(~there, torch.inf).amin(1, keepdim=True)
    span = best - worst
    even = torch.where(span > 0, (scores - worst) / span.clamp(min=1e-30), 1.0)
    return torch.where(there, even, 0.0)
