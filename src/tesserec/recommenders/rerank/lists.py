"""Lists of answers: their scores on one scale, and items chosen one after the other."""

import torch
from torch import Tensor

from tesserec.core import Recommendations


def rows_of(found: Recommendations, unit: Tensor) -> Tensor:
    """The vector of each answer, zeros beside -1: [B, C, D]"""
    there = (found.items >= 0)[..., None]
    return torch.where(there, unit[found.items.clamp(min=0)], 0.0)


def take(worth: Tensor) -> tuple[Tensor, Tensor]:
    """The place that is worth most in each row, the first of equals, and that worth: [B], [B]"""
    place = worth.argmax(1)
    return place, worth.gather(1, place[:, None])[:, 0]


def chosen(found: Recommendations, places: list[Tensor], worth: list[Tensor]) -> Recommendations:
    """The answers at the places that were chosen, which were worth this: k x [B] -> [B, k]"""
    order, scores = torch.stack(places, 1), torch.stack(worth, 1)
    items = torch.where(scores > -torch.inf, found.items.gather(1, order), -1)
    # What an item is worth never rises as others are chosen, but for rounding.
    return Recommendations(items, scores.cummin(1).values)


def unit_range(found: Recommendations) -> Tensor:
    """Scores between 0 for the worst of each row and 1 for the best; 0 beside -1: [B, C]"""
    there = found.items >= 0
    scores = found.scores.float()
    best = scores.masked_fill(~there, -torch.inf).amax(1, keepdim=True)
    worst = scores.masked_fill(~there, torch.inf).amin(1, keepdim=True)
    span = best - worst
    even = torch.where(span > 0, (scores - worst) / span.clamp(min=1e-30), 1.0)
    return torch.where(there, even, 0.0)
