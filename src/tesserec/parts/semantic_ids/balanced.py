"""Balanced clusters: each gets as many points as any other, or one more.

Assignments are auctioned (Bertsekas and Castanon, 1989): points bid for places in clusters, prices
rise until nobody can do better elsewhere, and the sum of distances is near the least there is.
"""

import numpy as np
import torch
from torch import Tensor

from tesserec.core.errors import BadData
from tesserec.core.kernels import kernel

SLACK = 1e-3  # an assignment costs at most this share more than the least any could
BIDS = 1000  # per point and step; who has found no place by then takes the nearest that is free


def squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    """[n, D], [K, D] -> [n, K]"""
    middle = centres.mean(0)
    points, centres = points - middle, centres - middle
    away = points.square().sum(1)[:, None] + centres.square().sum(1)
    return away.addmm_(points, centres.T, alpha=-2).clamp_(min=0)


def assigned(distance: Tensor) -> Tensor:
    """A cluster for each point, so that sizes differ by one at most: [n, K] -> [n]

    The larger ones are those that most points are nearest to. All distances are in memory at once.
    Raises `BadData` where one is NaN or infinite, which no bid can be made of.
    """
    if not bool(distance.amax(1).isfinite().all()):
        raise BadData(
            "Vectors that are clustered hold NaN, or lie so far apart that distances are infinite.",
            "Encode them again, or scale them down.",
        )
    points, clusters = distance.shape
    least, wanted = distance.min(1)
    sizes = torch.full((clusters,), points // clusters)
    popular = torch.bincount(wanted, minlength=clusters).argsort(descending=True, stable=True)
    sizes[popular[: points % clusters]] += 1
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    final = SLACK * max(float(least.mean()), SLACK * float(distance.mean()), 1e-30)
    side = torch.full((points,), -1)
    _auction(distance.contiguous().numpy(), starts.numpy(), side.numpy(), final, BIDS * points)
    return side


@kernel()
def _auction(distance, starts, side, final, bids):  # type: ignore[no-untyped-def]
    """Large steps of the prices first, and each time on from the prices found."""
    points, clusters = distance.shape
    cheapest = np.where(starts[1:] > starts[:-1], 0.0, np.inf)  # price of a place in each cluster
    step = max(final, float(distance.max()) / 4)
    while True:
        price, owner = np.empty(points), np.full(points, -1)
        for k in range(clusters):
            price[starts[k] : starts[k + 1]] = cheapest[k]
        side[:] = -1
        left = _bid(distance, starts, side, cheapest, price, owner, step, bids)
        if step == final or left:
            break
        step = max(final, step / 5)
    _fill(distance, starts, side)


@kernel()
def _bid(  # type: ignore[no-untyped-def]
    distance, starts, side, cheapest, price, owner, step, bids
):
    """Who has no place takes the best, and pays as much as makes it no better than the next."""
    points, clusters = distance.shape
    waiting = np.arange(points)  # a ring
    head, count = 0, points
    while count > 0 and bids > 0:
        i = waiting[head]
        head = (head + 1) % points
        count -= 1
        bids -= 1
        best, second, at = np.inf, np.inf, -1
        for k in range(clusters):
            value = distance[i, k] + cheapest[k]
            if value < best:
                best, second, at = value, best, k
            elif value < second:
                second = value
        place = starts[at]  # the cheapest place of the cluster: its places are a heap
        loser = owner[place]
        paid = cheapest[at] + step + (second - best if second < np.inf else 0.0)
        _sift(price, owner, place, starts[at + 1], paid, i)
        cheapest[at] = price[place]
        side[i] = at
        if loser >= 0:
            side[loser] = -1
            waiting[(head + count) % points] = loser
            count += 1
    return count


@kernel()
def _sift(price, owner, first, end, paid, who):  # type: ignore[no-untyped-def]
    """Put a price in the place of the least of a heap."""
    hole = first
    while True:
        child = first + 2 * (hole - first) + 1
        if child >= end:
            break
        if child + 1 < end and price[child + 1] < price[child]:
            child += 1
        if price[child] >= paid:
            break
        price[hole], owner[hole] = price[child], owner[child]
        hole = child
    price[hole], owner[hole] = paid, who


@kernel()
def _fill(distance, starts, side):  # type: ignore[no-untyped-def]
    """Who has found no cluster gets the nearest that has room."""
    points, clusters = distance.shape
    room = starts[1:] - starts[:-1]
    for i in range(points):
        if side[i] >= 0:
            room[side[i]] -= 1
    for i in range(points):
        if side[i] < 0:
            best = np.inf
            for k in range(clusters):
                if room[k] > 0 and distance[i, k] < best:
                    best, side[i] = distance[i, k], k
            room[side[i]] -= 1
