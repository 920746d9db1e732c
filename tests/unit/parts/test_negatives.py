import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tesserec.core import Ragged, parallel
from tesserec.parts.negatives import Drawn, Everything, InBatch, Negatives, Shared, Uniform, uniform
from toys.worlds import random_world, world, worlds

positives_of_users = st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(positives_of_users, st.integers(0, 2**31))
def test_a_uniform_negative_is_never_a_positive_and_every_other_item_is_drawn(positives, seed):
    known = Ragged.of([sorted(row) for row in positives])
    users = torch.arange(len(positives))
    drawn = uniform(known, users, 200, 8, generator(seed))
    for row, found in zip(positives, drawn.tolist(), strict=True):
        allowed = set(range(8)) - row
        assert set(found) == (allowed or {min(row)})  # who chose everything gets a positive


def test_uniform_negatives_are_as_likely_each():
    known = Ragged.of([[0, 3, 4, 9], [], [5]])
    drawn = uniform(known, torch.tensor([0, 1, 2]), 30_000, 10, generator(1))
    for row, allowed in zip(
        drawn.numpy(), ([1, 2, 5, 6, 7, 8], range(10), [0, 1, 2, 3, 4, 6, 7, 8, 9]), strict=True
    ):
        counts = np.bincount(row, minlength=10)[list(allowed)]
        assert counts.sum() == 30_000
        assert stats.chisquare(counts).pvalue > 1e-3
    pairs = drawn[1, 0::2] * 10 + drawn[1, 1::2]  # neighbours in a row know nothing of each other
    assert stats.chisquare(np.bincount(pairs.numpy(), minlength=100)).pvalue > 1e-3


def test_draws_follow_the_generator_and_nothing_else(monkeypatch):
    monkeypatch.setattr(parallel, "SMALL", 0)
    data = random_world(users=50, items=200, events=2000)
    users = torch.randint(50, (500,), generator=generator(5))
    before, found = torch.get_num_threads(), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(uniform(data.positives, users, 7, 200, generator(3)))
    torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], uniform(data.positives, users, 7, 200, generator(4)))
    source = generator(3)
    first = uniform(data.positives, users, 7, 200, source)
    assert torch.equal(first, found[0])
    assert not torch.equal(first, uniform(data.positives, users, 7, 200, source))


def drawn_by(sampler: Negatives, data, count: int, seed: int = 0) -> tuple[torch.Tensor, Drawn]:
    """The users of all distinct pairs of the data, and what was drawn for them."""
    users, chosen = data.positives.pairs()
    return users, sampler.over(data)(users, chosen, count, generator(seed))


def marked(drawn: Drawn) -> set[tuple[int, int]]:
    assert drawn.excluded is not None
    return set(zip(*(one.tolist() for one in drawn.excluded), strict=True))


@given(worlds())
def test_a_shared_list_counts_for_all_but_those_who_chose_its_items(data):
    users, drawn = drawn_by(Shared(), data, 9)
    assert drawn.items.shape == (9,)
    known = data.positives.lists()
    assert marked(drawn) == {
        (example, place)
        for example, user in enumerate(users.tolist())
        for place, item in enumerate(drawn.items.tolist())
        if item in known[user]
    }


@given(worlds())
def test_in_a_batch_the_others_positives_are_negatives_with_the_chance_of_a_draw(data):
    users, drawn = drawn_by(InBatch(), data, 1)
    _, chosen = data.positives.pairs()
    assert torch.equal(drawn.items, chosen)
    known = data.positives.lists()
    assert marked(drawn) == {
        (example, place)
        for example, user in enumerate(users.tolist())
        for place, item in enumerate(chosen.tolist())
        if item in known[user]
    }
    share = [chosen.tolist().count(item) / len(chosen) for item in chosen.tolist()]
    assert drawn.log_chance.exp().tolist() == pytest.approx(share, rel=1e-5)


def test_all_items_but_the_positive_itself_are_negatives_of_the_full_softmax():
    users, drawn = drawn_by(Everything(), world([(0, 0), (0, 2), (1, 1)]), 1)
    assert drawn.items is None
    assert marked(drawn) == {(0, 0), (1, 2), (2, 1)}
    assert users.tolist() == [0, 0, 1]


@given(worlds(least=3), st.sampled_from([Uniform(), Shared(), InBatch(), Everything()]), st.data())
def test_a_share_of_the_examples_has_its_own_part_of_the_negatives(data, sampler, draw):
    users, drawn = drawn_by(sampler, data, 4)
    first = draw.draw(st.integers(0, len(users)))
    last = draw.draw(st.integers(0, len(users) + 2))
    part = drawn[first:last]
    rows = range(*slice(first, last).indices(len(users)))
    if drawn.items is not None and drawn.items.ndim == 2:
        assert torch.equal(part.items, drawn.items[first:last])
    elif drawn.items is not None:
        assert torch.equal(part.items, drawn.items)
    if drawn.excluded is not None:
        assert marked(part) == {(e - first, p) for e, p in marked(drawn) if e in rows}
    assert part.log_chance is drawn.log_chance
