"""k-means against loops over points, and on blobs that leave no doubt."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tesserec.parts.semantic_ids import kmeans as module
from tesserec.parts.semantic_ids.kmeans import (
    balanced_kmeans,
    begun,
    kmeans,
    means,
    nearest,
    spread,
    step,
)


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


def test_one_step_is_that_of_a_loop():
    points = torch.randn(60, 2, generator=drawn(1))
    start = spread(points, 4, drawn(0))
    side, moved = step(points, start)
    assert side.tolist() == slow_nearest(points, start)
    torch.testing.assert_close(moved, slow_lloyd(points, start, 1))


def test_a_centre_that_nobody_is_near_to_moves_to_the_furthest_point():
    points = torch.tensor([[0.0], [1.0], [8.0]])
    _, moved = step(points, torch.tensor([[1.0], [-50.0]]))
    assert moved[:, 0].tolist() == [3.0, 8.0]


def test_far_from_zero_nothing_is_lost():
    """In single precision the squares of such points differ by less than their rounding."""
    middles = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    points, whose = blobs(middles, 30, 0.05)
    points = points + 3000
    side, _ = nearest(points, kmeans(points, 4, drawn(0)))
    assert len({(int(a), int(b)) for a, b in zip(side, whose, strict=True)}) == 4


def test_the_draw_prefers_points_that_are_far_from_those_drawn():
    """Two lonely points far out are among three centres, whatever is drawn."""
    crowd = 0.01 * torch.randn(500, 2, generator=drawn(0))
    points = torch.cat([crowd, torch.tensor([[100.0, 0.0], [0.0, 100.0]])])
    for seed in range(5):
        start = spread(points, 3, drawn(seed))
        assert sorted((start > 50).any(1).tolist()) == [False, True, True]
        assert all((one == points).all(1).any() for one in start)


def test_blobs_of_unequal_size_are_not_shared_out():
    """A blob of 300 and two of 10: the evenly begun centres would cut the large one."""
    sizes = torch.tensor([300, 10, 10])
    whose = torch.arange(3).repeat_interleave(sizes)
    points = 50 * torch.eye(3)[whose] + 0.1 * torch.randn(320, 3, generator=drawn(0))
    side, _ = nearest(points, kmeans(points, 3, drawn(0)))
    assert sorted(torch.bincount(side).tolist()) == [10, 10, 300]


def test_points_of_equal_length_do_not_fall_to_one_middle():
    """Five items in each of 300 directions: from drawn points alone one cluster grows too large."""
    source = drawn(0)
    points = torch.nn.functional.normalize(torch.randn(300, 100, generator=source)).repeat(5, 1)
    points = points + 0.03 * torch.randn(points.shape, generator=source)
    plain = spread(points, 30, drawn(2))
    for _ in range(50):
        _, plain = step(points, plain)
    found, error = nearest(points, kmeans(points, 30, drawn(2)))
    crowded, larger = nearest(points, plain)
    assert float(error.mean()) < 0.998 * float(larger.mean())
    assert int(torch.bincount(found).max()) < 0.8 * int(torch.bincount(crowded).max())


def test_many_points_begin_with_a_sample(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 5)
    points = torch.randn(200, 8, generator=drawn(1))
    centres = begun(points, 6, drawn(0))
    assert torch.equal(centres, begun(points, 6, drawn(0)))
    ways = nearest(points, centres)[1].sum(), nearest(points, spread(points, 6, drawn(0)))[1].sum()
    assert ways[0] < ways[1]


def test_fewer_distinct_points_than_centres_are_all_found():
    points = torch.tensor([[0.0], [1.0], [5.0]]).repeat(4, 1)
    centres = kmeans(points, 6, drawn(0))
    assert centres.shape == (6, 1)
    torch.testing.assert_close(centres[nearest(points, centres)[0]], points)


def test_same_numbers_same_centres():
    points = torch.randn(80, 3, generator=drawn(1))
    assert torch.equal(kmeans(points, 5, drawn(7)), kmeans(points, 5, drawn(7)))


def test_balanced_already_means_changed_by_nothing():
    """Four blobs of the same size: the balanced clusters are those of k-means."""
    source = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    points = middles.repeat(25, 1) + 0.1 * torch.randn(100, 2, generator=source)
    centres = kmeans(points, 4, source)
    moved, side = balanced_kmeans(points, centres, 10)
    assert torch.equal(side, nearest(points, centres)[0])
    torch.testing.assert_close(moved, centres)


def test_rounds_bring_points_and_centres_together():
    source = torch.Generator().manual_seed(0)
    points = torch.randn(300, 3, generator=source) ** 3  # a crowd, and some far out
    start = kmeans(points, 10, source)
    once, first = balanced_kmeans(points, start, 1)
    centres, side = balanced_kmeans(points, start, 50)
    assert torch.bincount(side).tolist() == [30] * 10
    for k in range(10):
        torch.testing.assert_close(centres[k], points[side == k].mean(0))

    def error(centres: Tensor, side: Tensor) -> float:
        return float((points - centres[side]).square().sum())

    assert error(centres, side) < error(once, first) < error(start, first)
