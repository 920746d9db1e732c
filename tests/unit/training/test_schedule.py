import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tesserec.core.errors import BadSpec
from tesserec.training import SGD, Adam, AdamW, Constant, Cosine, Linear, Schedule

shares = st.floats(0, 1)


@given(shares, shares)
def test_the_rate_climbs_in_a_line_then_stays(warmup, progress):
    factor = Constant(warmup=warmup).at(progress)
    assert factor == pytest.approx(progress / warmup if progress < warmup else 1.0)


@given(shares, shares, shares)
def test_the_rate_climbs_in_a_line_then_falls_along_half_a_cosine(warmup, least, progress):
    factor = Cosine(warmup=warmup, least=least).at(progress)
    if progress < warmup:
        assert factor == pytest.approx(progress / warmup)
    elif warmup < 1 - 1e-6:
        angle = math.pi * (progress - warmup) / (1 - warmup)
        assert factor == pytest.approx(least + (1 - least) * (1 + math.cos(angle)) / 2)
    assert -1e-12 <= factor <= 1 + 1e-12


@given(shares, shares, shares)
def test_the_rate_climbs_in_a_line_then_falls_in_one(warmup, least, progress):
    factor = Linear(warmup=warmup, least=least).at(progress)
    if progress < warmup:
        assert factor == pytest.approx(progress / warmup)
    elif warmup < 1 - 1e-6:
        whole, done = 1 - warmup, progress - warmup
        assert factor == pytest.approx((whole - done + least * done) / whole)
    assert 0 <= factor <= 1


def test_the_ends_of_a_line():
    shape = Linear(warmup=0.5, least=0.1)
    assert [shape.at(at) for at in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx([0, 0.5, 1, 0.55, 0.1])


def test_the_ends_of_a_cosine():
    shape = Cosine(warmup=0.5, least=0.1)
    assert [shape.at(at) for at in (0, 0.25, 0.5, 1.0)] == pytest.approx([0, 0.5, 1.0, 0.1])


@pytest.mark.parametrize(
    ("spec", "kind", "facts"),
    [
        (Adam(betas=(0.5, 0.6), epsilon=0.1, weight_decay=0.2), torch.optim.Adam, {"eps": 0.1}),
        (AdamW(), torch.optim.AdamW, {"weight_decay": 0.01}),
        (SGD(momentum=0.9, weight_decay=0.3), torch.optim.SGD, {"momentum": 0.9}),
    ],
)
def test_an_optimiser_is_torchs_with_these_numbers(spec, kind, facts):
    made = spec.over([nn.Parameter(torch.zeros(1))], 0.25)
    assert type(made) is kind
    assert made.param_groups[0]["lr"] == 0.25
    assert made.param_groups[0]["weight_decay"] == spec.weight_decay
    assert facts.items() <= made.param_groups[0].items()


@pytest.mark.parametrize("decay_vectors", [True, False])
def test_only_matrices_decay_where_vectors_are_left_as_they_are(decay_vectors):
    """Without a gradient a step is the decay alone."""
    norm, linear = nn.LayerNorm(2), nn.Linear(2, 2)
    weights = [*norm.parameters(), *linear.parameters()]
    before = [one.detach().clone() for one in weights]
    made = AdamW(weight_decay=0.5, decay_vectors=decay_vectors).over(iter(weights), 0.1)
    for one in weights:
        one.grad = torch.zeros_like(one)
    made.step()
    for one, was in zip(weights, before, strict=True):
        factor = 0.95 if decay_vectors or one.ndim == 2 else 1.0
        torch.testing.assert_close(one.detach(), factor * was)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"rate": 0}, {"clip": 0}, {"every": 0}, {"patience": 0}]
)
def test_numbers_that_make_no_schedule_are_refused(wrong):
    with pytest.raises(BadSpec, match=next(iter(wrong))):
        Schedule(**wrong)


@pytest.mark.parametrize("metric", ["ndgc@10", "recall", "ndcg@10,recall@20", "logloss", ""])
def test_a_number_that_cannot_be_watched_is_refused_before_anything_is_trained(metric):
    with pytest.raises(BadSpec):
        Schedule(metric=metric)
    assert Schedule(metric="Recall@20").metric == "Recall@20"
