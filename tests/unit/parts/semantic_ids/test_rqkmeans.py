"""Residual k-means on a hierarchy that one can see."""

import pytest
import torch
from torch import Tensor

from tesserec.core import Dataset, Run
from tesserec.parts.semantic_ids import Quantized
from tesserec.parts.semantic_ids.kmeans import nearest
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans
from toys.worlds import world

PLACES, EACH = 4, 10


def of(vectors: Tensor, events: int | None = None) -> Dataset:
    """Items with vectors; the first so many have an event each."""
    count = len(vectors) if events is None else events
    items = list(range(len(vectors)))
    return world([(0, item) for item in range(count)], items=items, vectors={"text": vectors})


def nested(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four places far apart, four near each, ten items at each of these; and which is where."""
    source = torch.Generator().manual_seed(seed)
    far, near = 100 * torch.eye(PLACES, 8), 10 * torch.eye(PLACES, 8).flip(1)
    where = torch.cartesian_prod(torch.arange(PLACES), torch.arange(PLACES)).repeat(EACH, 1)
    where = where[torch.randperm(len(where), generator=source)]
    noise = 0.1 * torch.randn(len(where), 8, generator=source)
    return far[where[:, 0]] + near[where[:, 1]] + noise, where


def same_groups(codes: Tensor, truth: Tensor) -> bool:
    """Whether two items have the same codes exactly where the truth is the same."""
    found = (codes[:, None] == codes[None]).all(2)
    return torch.equal(found, (truth[:, None] == truth[None]).all(2))


def fit(quantizer: RQKMeans, vectors: Tensor, events: int | None = None) -> Quantized:
    return quantizer.fit(of(vectors, events), Run())


def random_vectors(count: int, width: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("balanced", ["none", "last", "all"])
@pytest.mark.parametrize("unit", [False, True])
def test_places_within_places_are_recovered_exactly(balanced, unit):
    vectors, where = nested()
    found = fit(RQKMeans(levels=2, codes=PLACES, balanced=balanced, unit=unit), vectors)
    assert same_groups(found.codes.table[:, :1], where[:, :1])
    assert same_groups(found.codes.table, where)


def slow_encode(vectors: Tensor, centres: Tensor, unit: bool) -> list[list[int]]:
    rows = []
    for vector in vectors:
        rest, codes = vector, []
        for table in centres:
            if unit:
                rest = rest / rest.norm()
            code = int(torch.stack([(rest - centre).norm() for centre in table]).argmin())
            codes.append(code)
            rest = rest - table[code]
        rows.append(codes)
    return rows


@pytest.mark.parametrize("unit", [False, True])
def test_codes_are_those_of_a_loop(unit):
    vectors = random_vectors(60)
    found = fit(RQKMeans(levels=3, codes=5, unit=unit), vectors)
    assert found.codes.table.tolist() == slow_encode(vectors, found.codebook.centres, unit)
    assert found.codes.sizes == (5, 5, 5)


def test_each_level_makes_the_error_smaller():
    vectors, errors = random_vectors(200), []
    for levels in (1, 2, 3, 4):
        found = fit(RQKMeans(levels=levels, codes=8), vectors)
        errors.append(float((vectors - found.codebook.decode(found.codes.table)).norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]


def test_vectors_are_the_sum_of_their_centres():
    found = fit(RQKMeans(levels=2, codes=4), random_vectors(50))
    first, second = found.codebook.centres
    expected = [first[a] + second[b] for a, b in found.codes.table.tolist()]
    torch.testing.assert_close(found.codebook.decode(found.codes.table), torch.stack(expected))


def test_residuals_of_unit_length_get_their_length_back():
    """Vectors of length 7 on a circle; two levels tell where, and the codebook how far out."""
    angle = torch.linspace(0, 6.28, 400)
    vectors = 7 * torch.stack([angle.cos(), angle.sin()], 1)
    found = fit(RQKMeans(levels=2, codes=8, unit=True), vectors)
    assert float(found.codebook.lengths[0]) == pytest.approx(7, abs=1e-4)
    error = (vectors - found.codebook.decode(found.codes.table)).norm(dim=1)
    assert float(error.mean()) < 1  # the sum of the centres alone is 6 away


@pytest.mark.parametrize(("balanced", "even"), [("none", []), ("last", [2]), ("all", [0, 1, 2])])
def test_balanced_levels_have_clusters_of_equal_size(balanced, even):
    vectors = random_vectors(203) ** 3
    table = fit(RQKMeans(levels=3, codes=8, balanced=balanced), vectors).codes.table
    for level in range(3):
        sizes = torch.bincount(table[:, level], minlength=8)
        assert (int(sizes.max() - sizes.min()) <= 1) == (level in even)


def test_new_items_get_the_nearest_centre_and_balanced_ones_the_assigned():
    vectors = random_vectors(120) ** 3
    found = fit(RQKMeans(levels=1, codes=6, balanced="last"), vectors, events=80)
    near = found.codebook.encode(vectors)
    assert torch.equal(near[:, 0], nearest(vectors, found.codebook.centres[0])[0])
    assert torch.equal(found.codes.table[80:], near[80:])
    assert not torch.equal(found.codes.table[:80], near[:80])
    sizes = torch.bincount(found.codes.table[:80, 0], minlength=6)
    assert int(sizes.max() - sizes.min()) <= 1


def test_items_without_events_teach_nothing():
    vectors = random_vectors(60)
    other = vectors.clone()
    other[40:] = 50 + random_vectors(20, seed=1)
    one, two = (fit(RQKMeans(levels=2, codes=4), rows, events=40) for rows in (vectors, other))
    assert torch.equal(one.codebook.centres, two.codebook.centres)
    assert torch.equal(one.codes.table[:40], two.codes.table[:40])
    every = fit(RQKMeans(levels=2, codes=4, warm=False), other, events=40)
    assert not torch.equal(every.codebook.centres, two.codebook.centres)
