"""What quantizers make of real text vectors (card generative/tokenizers)."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch.nn import functional

import tesserec as tr
from claims.harness import check_claim, real
from tesserec.core import Dataset, Run
from tesserec.parts.semantic_ids import Quantized
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans

pytestmark = pytest.mark.claims

NAME = "amazon-beauty-s3rec"
SETTING = (
    f"{NAME}, 12,101 text vectors of 128 dimensions, 3 levels of 256 codes, learned from the items "
    "with training events"
)
Measure = Callable[[Quantized], float]


@cache
def beauty() -> Dataset:
    return tr.Published().split(real(NAME)).train


@cache
def fitted(balanced: str, seed: int) -> Quantized:
    return RQKMeans().changed({"balanced": balanced}).fit(beauty(), Run(seed=seed))


def collisions(found: Quantized) -> float:
    """The share of items beyond the first of each tuple."""
    return 1 - found.codes.distinct / len(found.codes)


def error(found: Quantized) -> float:
    """Mean squared error of a vector, all dimensions together."""
    meant = found.codebook.decode(found.codes.table)
    return float((found.vectors - meant).square().sum(1).mean())


def alike(found: Quantized) -> float:
    """Mean cosine of two items with the same first two tokens."""
    unit = functional.normalize(found.vectors.double(), dim=1)
    _, bucket = found.codes.table[:, :2].unique(dim=0, return_inverse=True)
    counts = torch.bincount(bucket).double()
    sums = torch.zeros(len(counts), unit.shape[1], dtype=unit.dtype).index_add_(0, bucket, unit)
    pairs = (counts * (counts - 1)).sum()
    return float((sums.square().sum() - unit.square().sum()) / pairs)


def check(claim: str, metric: str, measure: Measure, holds: Callable[..., bool]) -> None:
    """`holds` gets the means of no level, the last one, and all of them balanced."""
    levels = ("none", "last", "all")
    check_claim(
        method="RQKMeans",
        claim=claim,
        setting=SETTING,
        metric=metric,
        rows={
            f"balanced: {one}": lambda seed, one=one: measure(fitted(one, seed)) for one in levels
        },
        holds=lambda mean: holds(*(mean[f"balanced: {one}"] for one in levels)),
    )


def test_a_balanced_last_level_has_fewer_items_of_the_same_codes() -> None:
    check(
        "with a balanced last level, a fifth fewer items share their codes",
        "collision rate",
        collisions,
        lambda none, last, every: last < 0.8 * none,
    )


def test_a_balanced_last_level_costs_next_to_no_error_and_all_levels_cost_some() -> None:
    check(
        "a balanced last level costs less than 1 % of error, and all levels cost more than it",
        "squared error",
        error,
        lambda none, last, every: last < 1.01 * none and last < every,
    )


@pytest.mark.xfail(strict=True, reason="balanced levels use more prefixes, each of fewer items")
def test_balancing_all_levels_hurts_the_likeness_of_items_of_the_same_prefix() -> None:
    check(
        "items of the same two tokens are less alike where all levels are balanced",
        "mean cosine",
        alike,
        lambda none, last, every: every < none,
    )
