"""Shards of people who are alike: against a slow way, and never too large."""

import numpy as np
import pytest
import torch

from tesserec.parts.sharding import RandomShards, SimilarShards
from tesserec.parts.sharding.partition import greedy


def points(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def slowly(states: np.ndarray, shards: int, rounds: int, slack: int, first: list[int]) -> list[int]:
    """Pairs from the nearest on, then means of each dimension, again and again."""
    room = -(-len(states) // shards) + slack
    centres = states[first]
    side: list[int] = []
    for _ in range(rounds):
        distances = [
            (float(((state - centre) ** 2).sum()), row, number)
            for row, state in enumerate(states)
            for number, centre in enumerate(centres)
        ]
        now, taken = [-1] * len(states), [0] * shards
        for _, row, number in sorted(distances):
            if now[row] < 0 and taken[number] < room:
                now[row], taken[number] = number, taken[number] + 1
        if now == side:
            break
        side = now
        own = [[r for r in range(len(states)) if side[r] == n] for n in range(shards)]
        centres = np.array([states[o].mean(axis=0) if o else centres[n] for n, o in enumerate(own)])
    return side


@pytest.mark.parametrize(("count", "shards", "slack"), [(40, 4, 0), (43, 3, 5), (7, 7, 0)])
def test_alike_people_share_a_shard_as_the_slow_way_says(
    count: int, shards: int, slack: int
) -> None:
    states = points(count).double()
    found = SimilarShards(slack=slack).sides(states, shards, torch.Generator().manual_seed(3))
    first = torch.randperm(count, generator=torch.Generator().manual_seed(3))[:shards].tolist()
    assert found.tolist() == slowly(states.numpy(), shards, 50, slack, first)


@pytest.mark.parametrize("slack", [0, 5])
def test_no_shard_is_larger_than_an_even_share_and_the_slack(slack: int) -> None:
    states = torch.cat([torch.zeros(90, 4), points(10)])  # nearly everybody is the same
    found = SimilarShards(slack=slack).sides(states, 8, torch.Generator().manual_seed(0))
    sizes = torch.bincount(found, minlength=8)
    assert int(sizes.sum()) == 100
    assert int(found.min()) >= 0
    assert int(sizes.max()) <= 13 + slack


def test_two_crowds_are_told_apart() -> None:
    states = torch.cat([points(20) + 20, points(20, seed=1) - 20])
    found = SimilarShards(slack=0).sides(states, 2, torch.Generator().manual_seed(5))
    assert len(set(found[:20].tolist())) == len(set(found[20:].tolist())) == 1
    assert found[0] != found[-1]


@pytest.mark.parametrize("kind", [SimilarShards, RandomShards])
def test_the_same_seed_deals_the_same(kind: type) -> None:
    one, other, third = (
        kind().sides(points(30), 4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


def test_at_random_sizes_differ_by_one_at_most() -> None:
    found = RandomShards().sides(torch.zeros(30, 0), 4, torch.Generator().manual_seed(1))
    assert sorted(torch.bincount(found).tolist()) == [7, 7, 8, 8]


def test_of_equally_near_the_first_come_first() -> None:
    assert greedy(torch.zeros(4, 2), 2).tolist() == [0, 0, 1, 1]
