"""Balanced assignments beside the exact solution of the assignment problem."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from tesserec.core.errors import BadData
from tesserec.parts.semantic_ids import balanced
from tesserec.parts.semantic_ids.balanced import assigned, squared_distances


def random_distances(points: int, clusters: int, seed: int, width: int = 4) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    where = torch.randn(points, width, generator=source)
    return squared_distances(where, torch.randn(clusters, width, generator=source))


def sizes(side: Tensor, clusters: int) -> list[int]:
    return torch.bincount(side, minlength=clusters).tolist()


def exact(distance: Tensor, room: list[int]) -> float:
    """The least sum of distances where cluster k holds room[k] points."""
    places = np.repeat(distance.double().numpy(), room, axis=1)
    return float(places[linear_sum_assignment(places)].sum())


def paid(distance: Tensor, side: Tensor) -> float:
    return float(distance.gather(1, side[:, None]).double().sum())


def test_distances_are_those_of_a_loop():
    source = torch.Generator().manual_seed(0)
    points, centres = torch.randn(7, 3, generator=source), torch.randn(4, 3, generator=source)
    slow = torch.tensor([[float((p - c).square().sum()) for c in centres] for p in points])
    torch.testing.assert_close(squared_distances(points, centres), slow)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("points", "clusters"), [(64, 8), (67, 8), (40, 40), (30, 1)])
def test_assignments_cost_what_the_best_cost(points, clusters, seed):
    distance = random_distances(points, clusters, seed)
    side = assigned(distance)
    best = exact(distance, sizes(side, clusters))
    assert best * (1 - 1e-6) <= paid(distance, side) <= best * (1 + balanced.SLACK)


@pytest.mark.parametrize("seed", range(4))
def test_where_points_are_left_over_the_larger_clusters_are_chosen_well(seed):
    """Of all ways to give 3 of 4 clusters one point more, the best is at most 5 % better."""
    distance = random_distances(23, 4, seed)
    ways = [[6 - (k == small) for k in range(4)] for small in range(4)]
    best = min(exact(distance, room) for room in ways)
    assert paid(distance, assigned(distance)) <= 1.05 * best


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 99))
def test_sizes_differ_by_one_at_most(points, clusters, seed):
    found = sizes(assigned(random_distances(points, clusters, seed)), clusters)
    assert sum(found) == points
    assert max(found) - min(found) <= 1


@given(st.integers(1, 60), st.integers(1, 12))
def test_points_that_are_all_the_same_are_shared_out(points, clusters):
    distance = torch.arange(clusters).float().repeat(points, 1)
    found = sizes(assigned(distance), clusters)
    assert max(found) - min(found) <= 1


def test_who_has_no_place_when_bids_run_out_takes_one_that_is_free(monkeypatch):
    monkeypatch.setattr(balanced, "BIDS", 1)
    distance = random_distances(64, 8, 0)
    side = assigned(distance)
    assert sizes(side, 8) == [8] * 8
    best, plain = exact(distance, [8] * 8), float(distance.mean()) * 64
    assert best < paid(distance, side) < plain


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_distances_that_are_no_numbers_are_refused(wrong):
    distance = random_distances(20, 4, 0)
    distance[7, 2] = wrong
    with pytest.raises(BadData, match="NaN, or lie so far apart"):
        assigned(distance)
