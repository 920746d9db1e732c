"""k-means: centres from which points have little way to go (Lloyd, 1982)."""

import torch
from torch import Tensor

from tesserec.parts.semantic_ids.balanced import assigned, squared_distances

BLOCK = 1 << 10  # points compared with all centres at once: what a cache holds is 3 times as fast
SAMPLE = 64  # points per centre that are shared out evenly at the start
ENOUGH = 1e-4  # balanced rounds that gain a smaller share are not gone on with


def kmeans(points: Tensor, count: int, generator: torch.Generator, rounds: int = 50) -> Tensor:
    """Centres of some points: [n, D] -> [count, D]

    With fewer distinct points than centres some are there twice. It stops when nobody changes
    sides, or after so many rounds.
    """
    centres = begun(points, count, generator)
    side = torch.full((len(points),), -1)
    for _ in range(rounds):
        now, moved = step(points, centres)
        if torch.equal(now, side):
            break
        side, centres = now, moved
    return centres


def balanced_kmeans(points: Tensor, centres: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Centres of clusters of equal size, and who is in which: [n, D], [K, D] -> [K, D], [n]

    From given centres on, clusters and their means are found in turn.
    """
    side, error = torch.zeros(0, dtype=torch.int64), torch.inf
    for _ in range(rounds):
        distance = squared_distances(points, centres)
        now = assigned(distance)
        reached = float(distance.gather(1, now[:, None]).double().sum())
        if len(side) and reached > (1 - ENOUGH) * error:
            break
        side, error = now, reached
        centres, _ = means(points, side, centres)
    return centres, side


def begun(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Centres to begin with: those of k-means++ after one step, in one of two ways: [count, D]

    Where points are much alike in length and unlike in direction, as what a level of k-means
    leaves over is, the middle of many is nearer to all than any point is: the largest cluster
    takes nearly all, and the other centres stay with a few points for ever. If the first sides
    are of equal size this does not happen. The better of both beginnings is taken.
    """
    drawn = spread(points, count, generator)
    some = points
    if len(points) > SAMPLE * count:
        some = points[torch.randperm(len(points), generator=generator)[: SAMPLE * count]]
    ways = step(points, drawn)[1], balanced_kmeans(some, drawn, 1)[0]
    return min(ways, key=lambda centres: float(nearest(points, centres)[1].double().sum()))


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


def spread(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points drawn one by one, each the likelier the further it is from those drawn: [count, D]

    k-means++ (Arthur and Vassilvitskii, 2007).
    """
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
