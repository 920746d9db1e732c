"""HSTU's claims (card sequential/hstu)."""

from functools import partial

import pytest

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Method, Split

pytestmark = pytest.mark.claims

METRIC = "ndcg@10"
SEEDS = (0, 1)
SAMPLED = {"kind": "Softmax", "temperature": 0.05, "cosine": True}
SETTING = (
    "ml-100k, the last event of each person asked for and the one before for early stopping, "
    "all items ranked, 100 events read, 128 negatives shared by a batch of 32"
)


@pytest.fixture(scope="module")
def movies() -> Split:
    return tr.LeaveLast().split(real("ml-100k"))


def alike(method: Method, **batches: object) -> Method:
    """The same steps for every row: HSTU's, in smaller batches as there are few people."""
    shared = {"size": 32, "length": 100, "negatives": 128, "sampler": {"kind": "Shared"}}
    schedule = tr.HSTU().schedule.to_dict() | {"epochs": 100, "every": 2, "patience": 10}
    return method.changed({"batches": {**shared, **batches}, "schedule": schedule})


def hstu(**fields: object) -> Method:
    return alike(tr.HSTU(**fields))


def sasrec(**batches: object) -> Method:
    """With the loss of HSTU; of the same depth and width, which are the defaults of both."""
    method = tr.SASRec(dropout=0.2, positions="start").changed({"objective": SAMPLED})
    return alike(method, **batches)


def test_hstu_beats_sasrec_with_the_same_loss(movies: Split) -> None:
    check_claim(
        method="HSTU",
        claim="1: HSTU beats SASRec of the same depth, width and loss",
        setting=SETTING,
        metric=METRIC,
        rows={
            "HSTU": partial(reached, hstu(), movies, METRIC),
            "SASRec, sampled softmax": partial(reached, sasrec(), movies, METRIC),
        },
        holds=lambda mean: mean["HSTU"] > mean["SASRec, sampled softmax"],
        seeds=SEEDS,
    )


def test_biases_of_places_and_times_help(movies: Split) -> None:
    without = hstu(by_place=False, by_time=False)
    check_claim(
        method="HSTU",
        claim="3: without the biases of attention by places and times it is worse",
        setting=SETTING,
        metric=METRIC,
        rows={
            "HSTU": partial(reached, hstu(), movies, METRIC),
            "without biases": partial(reached, without, movies, METRIC),
        },
        holds=lambda mean: mean["HSTU"] > mean["without biases"],
        seeds=SEEDS,
    )


def test_much_of_the_gain_is_the_loss(movies: Split) -> None:
    one = sasrec(negatives=1, sampler={"kind": "Uniform"}).changed({"objective": {"kind": "BCE"}})
    check_claim(
        method="HSTU",
        claim="5: SASRec with BCE and one negative is far below SASRec with the sampled softmax",
        setting=SETTING,
        metric=METRIC,
        rows={
            "SASRec, sampled softmax": partial(reached, sasrec(), movies, METRIC),
            "SASRec, BCE, one negative": partial(reached, one, movies, METRIC),
        },
        holds=lambda mean: (
            mean["SASRec, sampled softmax"] >= 1.1 * mean["SASRec, BCE, one negative"]
        ),
        seeds=SEEDS,
    )
