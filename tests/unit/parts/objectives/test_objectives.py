"""Losses against slow loops in double precision."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core.errors import BadSpec
from tesserec.methods.collaborative.mf import MF
from tesserec.parts.batches import PairBatch, Pairs
from tesserec.parts.negatives import Drawn, Everything, InBatch, Negatives, Shared, Uniform
from tesserec.parts.objectives import (
    BCE,
    BPR,
    GBCE,
    PSL,
    Objective,
    PairScores,
    Softmax,
    pair_losses,
    pair_scores,
    picked,
    prepared,
)
from tesserec.parts.objectives.psl import SURROGATES
from toys.worlds import random_world

OBJECTIVES = [
    BCE(),
    BPR(),
    GBCE(calibration=0.75),
    GBCE(calibration=0.0),
    Softmax(temperature=0.2),
    Softmax(temperature=0.5, cosine=False),
    *(PSL(temperature=0.1, surrogate=surrogate) for surrogate in ("relu", "tanh", "atan")),
]
SLOW_SURROGATES = {
    "relu": lambda d: max(d + 1, 0.0),
    "tanh": lambda d: math.tanh(d) + 1,
    "atan": lambda d: math.atan(d) + 1,
}


CATALOGUE = 20


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def slow_loss(objective: Objective, positive: float, negatives: list[float], log_chance) -> float:
    """One example; negatives that do not count are -inf."""
    counting = [(n, place) for place, n in enumerate(negatives) if n > -math.inf]
    if isinstance(objective, BPR):
        losses = [math.log1p(math.exp(n - positive)) for n, _ in counting]
        return sum(losses) / max(len(losses), 1)
    if isinstance(objective, BCE | GBCE):
        lower = [0.0] * len(negatives)
        if log_chance is not None:
            lower = [chance + math.log(CATALOGUE) for chance in log_chance]
        wrong = sum(-math.log(1 - sigmoid(n - lower[place])) for n, place in counting)
        right = -math.log(sigmoid(positive))
        if isinstance(objective, BCE):
            return right + wrong
        rate = len(negatives) / (CATALOGUE - 1)
        power = rate * (objective.calibration * (1 - 1 / rate) + 1 / rate)
        return (power * right + wrong) / (len(negatives) + 1)
    t = objective.temperature
    if isinstance(objective, Softmax):
        weights = [1.0] * len(negatives)
        if log_chance is not None:
            weights = [1 / (len(negatives) * math.exp(chance)) for chance in log_chance]
        rest = sum(weights[place] * math.exp(n / t) for n, place in counting)
        return -math.log(math.exp(positive / t) / (math.exp(positive / t) + rest))
    surrogate = SLOW_SURROGATES[objective.surrogate]
    heights = [max(surrogate((n - positive) / 2), 1e-7) ** (1 / t) for n, _ in counting]
    return math.log(sum(heights)) if heights else 0.0


cosines = st.floats(-1, 1).map(lambda value: float(np.float32(value)))
masked = cosines | st.just(-math.inf)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@given(data=st.data(), width=st.integers(1, 5))
def test_a_loss_equals_a_slow_loop(objective, data, width):
    rows = st.lists(masked, min_size=width, max_size=width)
    negatives = data.draw(st.lists(rows, min_size=1, max_size=4))
    positives = data.draw(st.lists(cosines, min_size=len(negatives), max_size=len(negatives)))
    chances = st.lists(st.floats(-5, 0), min_size=width, max_size=width)
    chance = data.draw(st.none() | chances) if isinstance(objective, Softmax | BCE | GBCE) else None
    scores = PairScores(
        torch.tensor(positives, dtype=torch.float64),
        torch.tensor(negatives, dtype=torch.float64),
        None if chance is None else torch.tensor(chance, dtype=torch.float64),
        CATALOGUE,
    )
    expected = [
        slow_loss(objective, p, n, chance) for p, n in zip(positives, negatives, strict=True)
    ]
    assert objective(scores).tolist() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_negatives_that_do_not_count_give_finite_losses_and_no_gradient(objective):
    positive = torch.tensor([0.5, -0.5, 1.0], requires_grad=True)
    negative = torch.tensor([[0.1, 0.2], [0.3, -1.0], [0.4, -1.0]], requires_grad=True)
    hidden = torch.tensor([[False, False], [False, True], [True, True]])
    masked = negative.masked_fill(hidden, -torch.inf)
    each = objective(PairScores(positive, masked, catalogue=CATALOGUE))
    assert each.isfinite().all()
    each.sum().backward()
    assert positive.grad.isfinite().all()
    assert negative.grad.isfinite().all()
    assert negative.grad[hidden].tolist() == [0.0, 0.0, 0.0]
    assert (negative.grad[0] > 0).all()  # what counts is pushed down
    assert isinstance(objective, BCE | GBCE) or positive.grad[2] == 0  # alone, all is well
    others = torch.tensor([[0.1, 0.2], [0.3, 0.3]])
    bare = objective(PairScores(positive[:2], others, catalogue=CATALOGUE))
    assert each[0].item() == pytest.approx(bare[0].item())


@given(
    st.integers(0, 10**6),
    st.sampled_from(["relu", "tanh", "atan"]),
    st.sampled_from([0.05, 0.1, 1]),
)
def test_psl_lies_between_minus_log_dcg_and_the_softmax_of_twice_its_temperature(
    seed, surrogate, temperature
):
    """Over the whole catalogue: -log DCG <= PSL <= softmax."""
    cosine = np.random.default_rng(seed).uniform(-1, 1, 12)
    positive, others = torch.tensor(cosine[:1]), torch.tensor(cosine[None, :])
    psl = PSL(temperature=temperature, surrogate=surrogate)
    bound = float(psl(PairScores(positive, others)))
    rank = int((cosine >= cosine[0]).sum())
    loss = Softmax(temperature=2 * temperature)(PairScores(positive, others[:, 1:]))
    assert -math.log(1 / math.log2(1 + rank)) <= bound + 1e-9
    assert bound <= float(loss) + 1e-9


@pytest.mark.parametrize("surrogate", ["relu", "tanh", "atan"])
def test_a_surrogate_lies_between_the_step_and_the_exponential(surrogate):
    d = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    height = SURROGATES[surrogate](d)
    assert (height >= (d >= 0).double() - 1e-12).all()
    assert (height <= d.exp() + 1e-12).all()


@pytest.mark.parametrize("objective", [PSL(), Softmax()])
def test_a_cosine_objective_compares_directions_in_training_and_in_answers(objective):
    users, items = torch.randn(3, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    drawn = Drawn(torch.tensor([[3, 4], [0, 1], [2, 2]]))
    batch = PairBatch(torch.arange(3), torch.arange(3), torch.arange(3), drawn, torch.ones(3))
    scores = pair_scores(objective, picked(users, items, batch), batch)
    for e in range(3):
        for n in range(2):
            one, other = users[e].numpy(), items[drawn.items[e, n]].numpy()
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            assert float(scores.negative[e, n]) == pytest.approx(cosine)
    unit, _ = prepared(objective, users, items)
    assert unit.norm(dim=1).tolist() == pytest.approx([1.0] * 3)


def test_a_dot_objective_leaves_vectors_as_they_are():
    users, items = torch.randn(3, 4), torch.randn(5, 4)
    assert prepared(BPR(), users, items)[0] is users
    assert prepared(Softmax(cosine=False), users) is users


def slow_norm(users, items, batch, dim_items: int) -> float:
    """Half of |user|^2 + |positive|^2 + the mean |negative|^2, per example."""
    own = sum(float(users[u] @ users[u]) for u in batch.user)
    own += sum(float(items[i] @ items[i]) for i in batch.positive)
    drawn = batch.negative.items
    others = range(dim_items) if drawn is None else drawn.reshape(-1).tolist()
    mean = sum(float(items[i] @ items[i]) for i in others) / len(others)
    return 0.5 * (own / len(batch) + mean)


@pytest.mark.parametrize("sampler", [Uniform(), Shared(), InBatch(), Everything()])
def test_the_decay_is_half_the_squared_length_per_example(sampler):
    data = random_world()
    users, items = torch.randn(20, 3, dtype=torch.float64), torch.randn(30, 3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    batch = next(iter(Pairs(size=16, negatives=1, sampler=sampler)(data)(generator)))
    found = picked(users, items, batch).squared_norm()
    assert float(found) == pytest.approx(slow_norm(users, items, batch, 30))


def full_softmax(users, items, batch, temperature: float) -> list[float]:
    """-log of the positive's share over the whole catalogue, by cosine."""
    unit_users = users / users.norm(dim=1, keepdim=True)
    unit_items = items / items.norm(dim=1, keepdim=True)
    logits = (unit_users[batch.user] @ unit_items.T / temperature).numpy()
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return (-np.log(share[np.arange(len(logits)), batch.positive.numpy()])).tolist()


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("sampler", [Uniform(), Shared(), InBatch(), Everything()], ids=repr)
def test_losses_in_parts_of_a_batch_are_those_of_the_whole(monkeypatch, objective, sampler):
    data = random_world(users=40, items=30, events=600, seed=1)
    batch = next(Pairs(size=700, negatives=8, sampler=sampler)(data)(torch.Generator()))
    results = []
    for part in (2**20, 1):  # the whole batch at once; 256 examples at once
        monkeypatch.setattr("tesserec.parts.objectives.objective.PART", part)
        generator = torch.Generator().manual_seed(0)
        tables = [torch.randn(n, 4, generator=generator).requires_grad_() for n in (40, 30)]
        each = pair_losses(objective, picked(*tables, batch), batch)
        (each * torch.linspace(0, 1, len(batch))).sum().backward()
        results.append([each.detach(), *(table.grad for table in tables)])
    assert len(batch) > 256
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)


def test_with_all_items_as_negatives_the_softmax_is_the_full_one():
    data = random_world()
    users, items = torch.randn(20, 3, dtype=torch.float64), torch.randn(30, 3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    batch = next(iter(Pairs(size=16, sampler=Everything())(data)(generator)))
    objective = Softmax(temperature=0.3)
    each = objective(pair_scores(objective, picked(users, items, batch), batch))
    assert each.tolist() == pytest.approx(full_softmax(users, items, batch, 0.3))


def test_corrected_for_its_chances_a_large_batch_estimates_the_full_softmax():
    """Popular items are drawn often and count little; uncorrected the estimate would be far off."""
    draw = np.random.default_rng(0)
    cosine, positive = draw.uniform(-1, 1, 30), 0.4
    chance = draw.dirichlet(np.ones(30))
    pool = draw.choice(30, 400_000, p=chance)
    objective = Softmax(temperature=0.5)
    scores = PairScores(
        torch.tensor([positive], dtype=torch.float64),
        torch.tensor(cosine[pool][None, :]),
        torch.tensor(np.log(chance[pool])),
    )
    every = math.exp(positive / 0.5) + np.exp(cosine / 0.5).sum()
    assert float(objective(scores)) == pytest.approx(math.log(every) - positive / 0.5, abs=0.01)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("sampler", [Uniform(), Shared(), InBatch(), Everything()])
def test_every_objective_and_sampler_train_together(objective, sampler: Negatives):
    data = random_world()
    users = torch.randn(20, 3, requires_grad=True)
    items = torch.randn(30, 3, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    batches = Pairs(size=len(data.positives.values) - 1, negatives=4, sampler=sampler)
    for batch in batches(data)(generator):  # the last one has a single example
        loss = objective(pair_scores(objective, picked(users, items, batch), batch))
        assert loss.shape == (len(batch),)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert users.grad.isfinite().all()
        assert items.grad.isfinite().all()


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_an_objective_refuses_batches_without_negatives_when_the_method_is_built(objective):
    with pytest.raises(BadSpec, match=r"batches\.negatives"):
        MF(objective=objective, batches=Pairs(negatives=0))


@pytest.mark.parametrize("temperature", [0, -1])
def test_a_temperature_is_above_zero(temperature):
    for kind in (PSL, Softmax):
        with pytest.raises(BadSpec, match="temperature"):
            kind(temperature=temperature)
