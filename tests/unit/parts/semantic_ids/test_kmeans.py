"""k-means against loops over points, and on blobs that leave no doubt."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tesserec.parts.semantic_ids.kmeans import kmeans, means, nearest


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(middles: Tensor, each: int, blur: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points around each middle, mixed up, and which is whose: [n, D], [n]"""
    source = drawn(seed)
    mixed = torch.randperm(each * len(middles), generator=source)
    whose = torch.arange(len(middles)).repeat(each)[mixed]
    noise = torch.randn(len(whose), middles.shape[1], generator=source)
    return middles[whose] + blur * noise, whose


def slow_nearest(points: Tensor, centres: Tensor) -> list[int]:
    found = []
    for point in points.double():
        distances = [float((point - centre).square().sum()) for centre in centres.double()]
        found.append(distances.index(min(distances)))
    return found


def slow_lloyd(points: Tensor, centres: Tensor, rounds: int) -> Tensor:
    for _ in range(rounds):
        side = torch.tensor(slow_nearest(points, centres))
        new = [points[side == k].double().mean(0) for k in range(len(centres))]
        centres = torch.stack(new).float()
    return centres


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 99))
def test_the_nearest_centre_is_that_of_a_loop(points, centres, seed):
    source = drawn(seed)
    where, centre = (torch.randn(n, 3, generator=source) for n in (points, centres))
    found, distance = nearest(where, centre)
    assert found.tolist() == slow_nearest(where, centre)
    expected = (where - centre[found]).square().sum(1)
    torch.testing.assert_close(distance, expected, atol=1e-5, rtol=1e-5)


def test_of_equally_near_centres_the_first_is_taken():
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])
    assert nearest(torch.zeros(5, 2), centres)[0].tolist() == [0] * 5
    assert nearest(torch.tensor([[2.0, 0.0]]), centres)[0].tolist() == [0]


def test_no_points_have_no_centres():
    found, distance = nearest(torch.zeros(0, 2), torch.ones(3, 2))
    assert (found.shape, distance.shape) == ((0,), (0,))
    assert found.dtype == torch.int64


@given(st.integers(2, 12), st.integers(1, 5), st.integers(0, 99))
def test_means_are_those_of_a_loop(points, count, seed):
    source = drawn(seed)
    where, before = (torch.randn(n, 2, generator=source) for n in (points, count))
    side = torch.randint(0, count, (points,), generator=source)
    found, empty = means(where, side, before)
    for k in range(count):
        mine = where[side == k]
        torch.testing.assert_close(found[k], mine.mean(0) if len(mine) else before[k])
    assert empty.tolist() == [k for k in range(count) if k not in side]


def test_separated_blobs_are_found_each_by_one_centre():
    middles = 10 * torch.randn(12, 5, generator=drawn(3))
    points, whose = blobs(middles, 40, 0.1)
    centres = kmeans(points, 12, drawn(0))
    side, _ = nearest(points, centres)
    assert len({(int(a), int(b)) for a, b in zip(side, whose, strict=True)}) == 12


def test_centres_are_where_a_loop_would_move_them_no_more():
    points = torch.randn(150, 2, generator=drawn(1))
    centres = kmeans(points, 6, drawn(0), rounds=200)
    torch.testing.assert_close(slow_lloyd(points, centres, 1), centres, atol=1e-5, rtol=1e-5)


def test_one_round_is_one_step_of_a_loop_from_centres_that_are_points():
    points = torch.randn(60, 2, generator=drawn(1))
    start = kmeans(points, 4, drawn(0), rounds=0)
    assert all((start[k] == points).all(1).any() for k in range(4))
    stepped = kmeans(points, 4, drawn(0), rounds=1)
    torch.testing.assert_close(stepped, slow_lloyd(points, start, 1))


def test_far_from_zero_nothing_is_lost():
    """In single precision the squares of such points differ by less than their rounding."""
    middles = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    points, whose = blobs(middles, 30, 0.05)
    points = points + 3000
    side, _ = nearest(points, kmeans(points, 4, drawn(0)))
    assert len({(int(a), int(b)) for a, b in zip(side, whose, strict=True)}) == 4


def test_the_start_prefers_points_that_are_far_from_those_drawn():
    """Two lonely points far out are among three centres, whatever is drawn."""
    crowd = 0.01 * torch.randn(500, 2, generator=drawn(0))
    points = torch.cat([crowd, torch.tensor([[100.0, 0.0], [0.0, 100.0]])])
    for seed in range(5):
        start = kmeans(points, 3, drawn(seed), rounds=0)
        assert sorted((start > 50).any(1).tolist()) == [False, True, True]


def test_fewer_distinct_points_than_centres_are_all_found():
    points = torch.tensor([[0.0], [1.0], [5.0]]).repeat(4, 1)
    centres = kmeans(points, 6, drawn(0))
    assert centres.shape == (6, 1)
    torch.testing.assert_close(centres[nearest(points, centres)[0]], points)


def test_same_numbers_same_centres():
    points = torch.randn(80, 3, generator=drawn(1))
    assert torch.equal(kmeans(points, 5, drawn(7)), kmeans(points, 5, drawn(7)))
