"""Groups: points around centres, none too few and none too many of them.

k-means whose assignment is the cheapest one within bounds, after Bradley, Bennett and Demiriz,
"Constrained K-Means Clustering", Microsoft Research MSR-TR-2000-65. It is solved exactly, for
some hundreds of points.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Bounds:
    """How many groups there are, and how many points each may have."""

    groups: int
    least: int
    most: int

    @classmethod
    def published(cls, points: int, groups: int) -> "Bounds":
        """LETTER's bounds: half of an even share, 10 at most, and six times that; and so few
        groups that each has two points where there are two."""
        groups = max(min(groups, points // 2), 1)
        least = min(points // (2 * groups), 10)
        return cls(groups, max(least, min(2, points)), max(60, -(-points // groups)))


def grouped(
    points: Tensor, centres: Tensor, bounds: Bounds, rounds: int = 3
) -> tuple[Tensor, Tensor]:
    """The group of each point, and where the groups' centres move: [n, d] -> [n], [G, d]"""
    group = torch.zeros(len(points), dtype=torch.int64)
    for _ in range(rounds):
        group = cheapest(torch.cdist(points, centres).square(), bounds)
        sums = torch.zeros_like(centres).index_add_(0, group, points)
        centres = sums / torch.bincount(group, minlength=len(centres))[:, None]
    return group, centres


def cheapest(cost: Tensor, bounds: Bounds) -> Tensor:
    """The group of each point at the least cost [n, G] within bounds: [n]"""
    from scipy.optimize import linear_sum_assignment

    points, groups = cost.shape
    most = min(bounds.most, points)
    seats = np.repeat(cost.double().numpy(), most, axis=1)  # each group has `most` seats
    # A seat that must be taken is cheaper than all that could be saved by leaving it.
    must = np.tile(np.arange(most) < bounds.least, groups)
    seats[:, must] -= 2 * points * (float(cost.max()) + 1)
    _, seat = linear_sum_assignment(seats)
    return torch.from_numpy(seat // most)
