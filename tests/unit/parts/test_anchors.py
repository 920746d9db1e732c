import pytest
import torch
from torch.nn import functional

from tesserec.core.errors import BadRequest
from tesserec.parts.anchors import anchors

ALL = ["random", "prototypical", "farthest"]
every_choice = pytest.mark.parametrize("how", ALL)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clusters(count: int, size: int) -> torch.Tensor:
    """Item i lies about axis i // size, nowhere near the others."""
    noise = 0.05 * torch.randn(count * size, count, generator=seeded())
    return torch.eye(count).repeat_interleave(size, 0) + noise


@every_choice
@pytest.mark.parametrize("count", [1, 7, 20])
def test_anchors_are_different_items_that_may_be_taken(how, count):
    vectors = torch.randn(40, 5, generator=seeded())
    mask = torch.arange(40) % 2 == 1
    rows = anchors(vectors, count, how, seeded(), mask)
    assert len(rows) == len(set(rows.tolist())) == count
    assert mask[rows].all()
    assert (rows.diff() > 0).all()
    assert torch.equal(rows, anchors(vectors, count, how, seeded(), mask))


@pytest.mark.parametrize("how", ["prototypical", "farthest"])
def test_one_anchor_is_taken_from_each_cluster(how):
    rows = anchors(clusters(6, 30), 6, how, seeded())
    assert (rows // 30).tolist() == list(range(6))


def test_a_prototype_is_the_item_nearest_to_the_mean_of_its_cluster():
    unit = functional.normalize(clusters(4, 25))
    means = unit.view(4, 25, 4).mean(1)
    expected = [int((unit @ mean).argmax()) for mean in means]
    assert anchors(clusters(4, 25), 4, "prototypical", seeded()).tolist() == expected


def test_the_farthest_is_the_least_like_all_that_were_taken():
    vectors = torch.randn(30, 4, generator=seeded(3))
    unit = functional.normalize(vectors)
    taken = anchors(vectors, 1, "farthest", seeded()).tolist()
    for count in range(2, 8):
        rest = [row for row in range(30) if row not in taken]
        taken.append(min(rest, key=lambda row: max(float(unit[row] @ unit[t]) for t in taken)))
        assert anchors(vectors, count, "farthest", seeded()).tolist() == sorted(taken)


@every_choice
def test_equal_vectors_are_different_items(how):
    assert anchors(torch.ones(5, 3), 5, how, seeded()).tolist() == [0, 1, 2, 3, 4]


@every_choice
@pytest.mark.parametrize("count", [0, 5])
def test_too_few_items_are_an_error(how, count):
    with pytest.raises(BadRequest):
        anchors(torch.ones(8, 2), count, how, seeded(), torch.arange(8) < 4)
