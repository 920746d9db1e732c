"""Caser's claims (Tang and Wang, WSDM 2018, section 4.4), without its vector of a user."""

import pytest

import tesserec as tr
from claims.harness import SEEDS, check_claim, reached, real
from tesserec.core import Method, Split

pytestmark = pytest.mark.claims

METRIC = "ndcg@10"
SETTING = "ml-100k, last event of each person, whole catalogue; at most 25 epochs, patience 5"


@pytest.fixture(scope="module")
def movies() -> Split:
    return tr.LeaveLast().split(real("ml-100k"))


def caser(**fields: object) -> Method:
    short = {"batches": {"size": 32}, "schedule": {"epochs": 25, "patience": 5}}
    return tr.Caser().changed({**short, **fields})


@pytest.mark.xfail(
    strict=True, reason="vertical filters alone are as good here (docs/methods/caser.md)"
)
def test_both_kinds_of_filters_are_better_than_either(movies: Split) -> None:
    check_claim(
        method="Caser",
        claim="Horizontal and vertical filters together beat either kind alone",
        setting=SETTING,
        metric=METRIC,
        rows={
            "both": lambda seed: reached(caser(), movies, METRIC, seed),
            "horizontal": lambda seed: reached(caser(vertical=0), movies, METRIC, seed),
            "vertical": lambda seed: reached(caser(heights=()), movies, METRIC, seed),
        },
        holds=lambda mean: mean["both"] > max(mean["horizontal"], mean["vertical"]),
        seeds=SEEDS[:2],
    )


def test_more_than_the_last_event_helps(movies: Split) -> None:
    alone = {"window": 1, "heights": (1,)}
    check_claim(
        method="Caser",
        claim="Looking at several events beats looking at the last one alone, and popularity",
        setting=SETTING,
        metric=METRIC,
        rows={
            "last 10 events": lambda seed: reached(caser(), movies, METRIC, seed),
            "last event": lambda seed: reached(caser(**alone), movies, METRIC, seed),
            "Popular": lambda seed: reached(tr.Popular(), movies, METRIC, seed),
        },
        holds=lambda mean: mean["last 10 events"] > max(mean["last event"], mean["Popular"]),
        seeds=SEEDS[:2],
    )
