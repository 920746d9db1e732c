"""k-means: centres from which points have little way to go (Lloyd, 1982)."""

import torch
from torch import Tensor

BLOCK = 1 << 10  # points compared with all centres at once: what a cache holds is 3 times as fast


def kmeans(points: Tensor, count: int, generator: torch.Generator, rounds: int = 50) -> Tensor:
    """Centres of some points: [n, D] -> [count, D]

    They begin as k-means++ draws them (Arthur and Vassilvitskii, 2007); with fewer distinct points
    than centres some are there twice. It stops when nobody changes sides, or after so many rounds.
    """
    centres = _spread(points, count, generator)
    side = torch.full((len(points),), -1)
    for _ in range(rounds):
        now, moved = step(points, centres)
        if torch.equal(now, side):
            break
        side, centres = now, moved
    return centres


def step(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Points take the sides of the nearest centres, and these move to their means: [n], [K, D]

    One that nobody is near to moves to a point far from its own.
    """
    side, distance = nearest(points, centres)
    moved, empty = means(points, side, centres)
    far = distance.argsort(descending=True, stable=True)[: len(empty)]
    moved[empty[: len(far)]] = points[far]
    return side, moved


def means(points: Tensor, side: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The means of the points of each side, and the sides without any: [K, D], [k]

    Centres of these stay where they are.
    """
    sums = torch.zeros_like(centres).index_add_(0, side, points)
    sizes = torch.bincount(side, minlength=len(centres))
    moved = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
    return moved, torch.nonzero(sizes == 0)[:, 0]


def nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each point, the first of equals, and how far: [n], [n] squared"""
    # Seen from their middle: far from 0, squares are large, and their differences inexact.
    middle = centres.mean(0)
    centres = centres - middle
    half = -centres.square().sum(1) / 2
    found, distance = [], []
    for rows in points.split(BLOCK):
        block = rows - middle
        best, at = torch.addmm(half, block, centres.T).max(1)
        found.append(at)
        distance.append((block.square().sum(1) - 2 * best).clamp(min=0))
    return torch.cat(found), torch.cat(distance)


def _spread(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points drawn one by one, each the likelier the further it is from those drawn: [count, D]"""
    first = int(torch.randint(len(points), (1,), generator=generator))
    chosen = [first]
    seen = points - points.mean(0)
    squares = seen.square().sum(1)
    distance = torch.full((len(points),), torch.inf)
    for _ in range(count - 1):
        last = seen[chosen[-1]]
        away = (squares - 2 * (seen @ last) + last.square().sum()).clamp(min=0)
        distance = torch.minimum(distance, away)
        total = distance.double().cumsum(0)
        drawn = torch.rand(1, generator=generator, dtype=torch.float64) * total[-1]
        place = int(torch.searchsorted(total, drawn, right=True).clamp(max=len(points) - 1))
        chosen.append(place)
    return points[torch.tensor(chosen)]
