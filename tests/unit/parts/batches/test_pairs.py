from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tesserec.core import Batch, Dataset
from tesserec.parts.batches import PairBatch, Pairs, UserPairs
from tesserec.parts.negatives import Everything, InBatch, Negatives, Shared, Uniform
from tesserec.parts.objectives import BPR, PSL, pair_scores, picked
from toys.worlds import random_world, world, worlds

SAMPLERS = [Uniform(), Shared(), InBatch(), Everything()]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs_of(data: Dataset) -> list[tuple[int, int]]:
    return data.interactions.frame.select("user", "item").rows()


def met(batches: list[PairBatch]) -> list[tuple[int, int]]:
    return [
        pair for b in batches for pair in zip(b.user.tolist(), b.positive.tolist(), strict=True)
    ]


@given(worlds(), st.integers(1, 7), st.booleans())
def test_an_epoch_holds_every_pair_once(data, size, distinct):
    epochs = Pairs(size=size, distinct=distinct)(data)
    batches = list(epochs(generator()))
    expected = Counter(set(pairs_of(data)) if distinct else pairs_of(data))
    assert Counter(met(batches)) == expected
    assert len(batches) == len(epochs)
    assert all(len(batch) == size for batch in batches[:-1])
    for batch in batches:
        assert isinstance(batch, Batch)
        events = [pairs_of(data)[row] for row in batch.row.tolist()]
        assert events == met([batch])
        assert batch.weight.tolist() == [1.0] * len(batch)


def test_a_distinct_pair_is_the_event_it_began_with():
    data = world([(0, 5, 1), (0, 6, 2), (0, 5, 3)])
    (batch,) = Pairs(size=9)(data)(generator())
    assert sorted(batch.row.tolist()) == [0, 1]


def test_epochs_differ_and_seeds_repeat():
    data = random_world()

    def epochs(seed: int) -> list[list[tuple]]:
        source, made = generator(seed), Pairs(size=16, negatives=2)(data)
        return [
            [(*met([b]), tuple(b.negative.items.reshape(-1).tolist())) for b in made(source)]
            for _ in range(2)
        ]

    first, again, other = epochs(1), epochs(1), epochs(2)
    assert first == again
    assert first[0] != first[1]
    assert first != other


@given(worlds(), st.integers(1, 5))
def test_negatives_of_a_batch_are_not_positives_of_its_user(data, count):
    known = data.positives.lists()
    items = len(data.catalog.items)
    for batch in Pairs(size=4, negatives=count)(data)(generator()):
        assert batch.negative.items.shape == (len(batch), count)
        for user, row in zip(batch.user.tolist(), batch.negative.items.tolist(), strict=True):
            assert len(known[user]) == items or not set(row) & set(known[user])


def test_no_negatives_are_drawn_where_none_are_asked_for(monkeypatch):
    def refuse(self, data):
        raise AssertionError("a sampler was set up")

    monkeypatch.setattr(Uniform, "over", refuse)
    (batch,) = Pairs(size=9, negatives=0)(world([(0, 1), (0, 2)]))(generator())
    assert batch.negative is None


def test_drawn_by_user_quiet_people_count_as_much_as_busy_ones():
    events = [(0, item) for item in range(60)] + [(1, item) for item in range(6)] + [(3, 0)]
    data = world(events)
    epochs, source = UserPairs(size=1000)(data), generator()
    batches = [batch for _ in range(40) for batch in epochs(source)]
    counts = Counter(met(batches))
    assert set(counts) <= set(pairs_of(data))
    assert sum(counts.values()) == 40 * len(events)
    by_user = [sum(n for (u, _), n in counts.items() if u == user) for user in range(3)]
    assert stats.chisquare(by_user).pvalue > 1e-3
    quiet = [counts[1, item] for item in range(6)]
    assert stats.chisquare(quiet).pvalue > 1e-3
    rows = [row for batch in batches for row in batch.row.tolist()]
    assert [data.interactions.items[row] for row in rows] == [item for _, item in met(batches)]


def test_without_events_there_are_no_batches():
    nothing = world([(0, 0)]).without_events()
    for kind in (Pairs, UserPairs):
        epochs = kind()(nothing)
        assert len(epochs) == 0
        assert list(epochs(generator())) == []


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_share_of_a_batch_is_that_part_of_all_its_fields(sampler):
    (batch,) = Pairs(size=500, negatives=3, sampler=sampler)(random_world())(generator())
    half = batch[: len(batch) // 2]
    for name in ("row", "user", "positive", "weight"):
        assert torch.equal(getattr(half, name), getattr(batch, name)[: len(batch) // 2])
    scores = [scored(BPR(), one, *tables(random_world())) for one in (batch, half)]
    assert torch.equal(scores[0][0][: len(half)], scores[1][0])
    assert torch.equal(scores[0][1][: len(half)], scores[1][1])


def tables(data: Dataset, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    users = torch.randn(len(data.catalog.users), dim, generator=generator(7))
    return users, torch.randn(len(data.catalog.items), dim, generator=generator(8))


def scored(objective, batch, users, items) -> tuple[torch.Tensor, torch.Tensor]:
    scores = pair_scores(objective, picked(users, items, batch), batch)
    return scores.positive, scores.negative


def check_as_nodes(data: Dataset, sampler: Negatives, size: int, few: bool) -> None:
    """Scores of a batch over its own nodes are those over the full tables."""
    users, items = tables(data)
    nodes = torch.cat([users, items])
    for batch in Pairs(size=size, negatives=3, sampler=sampler)(data)(generator()):
        rows, placed = batch.as_nodes(len(users), len(nodes))
        assert (rows is not None) == few
        if rows is not None:
            assert len(rows.unique()) == len(rows)
        table = nodes if rows is None else nodes[rows]
        for objective in (BPR(), PSL()):
            found = scored(objective, placed, table, table)
            expected = scored(objective, batch, users, items)
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_renumbered_as_nodes_a_batch_scores_the_same(sampler):
    data = random_world(users=40, items=60, events=90)
    check_as_nodes(data, sampler, size=500, few=False)  # speaks of most of the graph


@pytest.mark.parametrize("sampler", [Uniform(), Shared(), InBatch()])
def test_renumbered_as_few_nodes_a_batch_scores_the_same(sampler):
    data = random_world(users=400, items=600, events=300)
    check_as_nodes(data, sampler, size=16, few=True)


def test_without_negatives_a_batch_still_names_its_nodes():
    data = random_world(users=40, items=60, events=20)
    (batch,) = Pairs(size=500, negatives=0)(data)(generator())
    rows, placed = batch.as_nodes(40, 100)
    assert placed.negative is None
    assert torch.equal(rows[placed.user], batch.user)
    assert torch.equal(rows[placed.positive], batch.positive + 40)
    assert np.array_equal(np.unique(rows), rows.numpy())
