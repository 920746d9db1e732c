"""OPQ: parts of vectors, turned first."""

import pytest
import torch
from torch import Tensor

from tesserec.core import Run
from tesserec.core.errors import NoContent
from tesserec.parts.semantic_ids import Quantized
from tesserec.parts.semantic_ids.kmeans import kmeans, nearest
from tesserec.parts.semantic_ids.opq import OPQ, even_axes, rotation
from toys.worlds import world


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fit(quantizer: OPQ, vectors: Tensor, events: int | None = None) -> Quantized:
    known = range(len(vectors) if events is None else events)
    items = range(len(vectors))
    data = world([(0, item) for item in known], items=items, vectors={"text": vectors})
    return quantizer.fit(data, Run())


def error(found: Quantized) -> float:
    return float((found.vectors - found.codebook.decode(found.codes.table)).square().sum())


def lopsided(count: int = 400) -> Tensor:
    """Nearly all variance lies in two of six dimensions, turned somewhere."""
    turn = torch.linalg.qr(drawn(6, 6, seed=1)).Q
    return drawn(count, 6) * torch.tensor([9.0, 7.0, 1.0, 0.5, 0.2, 0.1]) @ turn


def slow_encode(vectors: Tensor, found: Quantized) -> list[list[int]]:
    rows, width = [], found.codebook.centres.shape[2]
    for vector in vectors:
        turned = torch.zeros(len(found.codebook.rotation))
        turned[: len(vector)] = vector
        turned = turned @ found.codebook.rotation
        codes = []
        for level, table in enumerate(found.codebook.centres):
            part = turned[level * width : (level + 1) * width]
            codes.append(int((table - part).square().sum(1).argmin()))
        rows.append(codes)
    return rows


@pytest.mark.parametrize("dimensions", [6, 7])
def test_codes_are_those_of_a_loop_and_stand_for_their_centres_turned_back(dimensions):
    vectors = drawn(80, dimensions)
    found = fit(OPQ(levels=3, codes=5, rounds=4), vectors)
    codebook, table = found.codebook, found.codes.table
    assert table.tolist() == slow_encode(vectors, found)
    assert found.codes.sizes == (5, 5, 5)
    for item, codes in enumerate(table.tolist()):
        turned = torch.cat([codebook.centres[level, code] for level, code in enumerate(codes)])
        expected = (codebook.rotation @ turned)[:dimensions]
        torch.testing.assert_close(codebook.decode(table)[item], expected)


def test_rotations_keep_lengths_and_angles():
    found = fit(OPQ(levels=3, codes=5, rounds=4), drawn(80, 7))
    turn = found.codebook.rotation
    torch.testing.assert_close(turn @ turn.T, torch.eye(9), atol=1e-5, rtol=0)


def test_each_round_makes_the_error_smaller():
    vectors = lopsided()
    errors = [error(fit(OPQ(levels=3, codes=8, rounds=n), vectors)) for n in (1, 2, 4, 8, 16, 32)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.95 * errors[0]


def test_turned_parts_are_told_better_than_parts_as_they_come():
    """Without a rotation, parts of small variance waste the codes they have."""
    vectors = drawn(400, 6) * torch.tensor([9.0, 7.0, 1.0, 0.5, 0.2, 0.1])
    generator = torch.Generator().manual_seed(0)
    plain = 0.0
    for part in vectors.split(2, 1):
        plain += float(nearest(part, kmeans(part, 8, generator))[1].sum())
    assert error(fit(OPQ(levels=3, codes=8), vectors)) < 0.6 * plain


def test_axes_are_dealt_so_that_parts_have_much_the_same_variance():
    """Variances of 2 to the 5, 4, 3, 2, 1, 0 in two parts: 5 + 2 + 1 and 4 + 3 + 0, by hand."""
    scale = 2 ** (torch.arange(6).flip(0) / 2)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6)
    axes = even_axes(signs * scale, 2)
    torch.testing.assert_close(axes @ axes.T, torch.eye(6))
    where = axes.abs().argmax(0).tolist()  # the dimension each axis lies along
    assert [set(where[:3]), set(where[3:])] == [{0, 3, 4}, {1, 2, 5}]


@pytest.mark.parametrize("scale", [1e-3, 1e-9, 1e6])
def test_axes_are_dealt_alike_whatever_the_unit_of_the_vectors(scale):
    """Logs of variances below 1 are negative, and products of such ones shrink."""
    points = drawn(400, 8) * torch.logspace(0, -1.5, 8)
    axes, scaled = even_axes(points, 4), even_axes(scale * points, 4)
    torch.testing.assert_close((axes * scaled).sum(0).abs(), torch.ones(8))
    logs = (points @ scaled).var(0).log().view(4, 2).sum(1)
    assert float(logs.max() - logs.min()) < 0.5  # in the order of variances they differ by 5.9


def test_vectors_that_are_all_the_same_have_axes():
    axes = even_axes(torch.ones(5, 4), 2)
    torch.testing.assert_close(axes @ axes.T, torch.eye(4))


def test_the_best_rotation_is_found_again():
    points, turn = drawn(50, 4), torch.linalg.qr(drawn(4, 4, seed=1)).Q
    torch.testing.assert_close(rotation(points, points @ turn), turn, atol=1e-5, rtol=1e-5)


def test_no_other_rotation_brings_points_nearer():
    points, meant = drawn(50, 4), drawn(50, 4, seed=1)
    best = (points @ rotation(points, meant) - meant).norm()
    for seed in range(20):
        other = torch.linalg.qr(drawn(4, 4, seed=seed)).Q
        assert (points @ other - meant).norm() > best


def test_items_without_events_teach_nothing():
    vectors = drawn(60, 6)
    other = vectors.clone()
    other[40:] += 50
    one, two = (fit(OPQ(levels=2, codes=4), rows, events=40) for rows in (vectors, other))
    assert torch.equal(one.codebook.rotation, two.codebook.rotation)
    assert torch.equal(one.codes.table[:40], two.codes.table[:40])


def test_more_parts_than_dimensions_are_refused():
    with pytest.raises(NoContent, match="'text' vectors of 6 dimensions have no 7 parts"):
        fit(OPQ(levels=7), drawn(20, 6))
