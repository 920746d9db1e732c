"""Ji et al. (SIGIR 2020): popularity should be that of the moment."""

import pytest

import tesserec as tr
from claims.harness import check_claim, real
from tesserec.core import Method, Run, Split
from tesserec.evaluation import mark

pytestmark = pytest.mark.claims


def measured(method: Method, split: Split) -> float:
    return mark(method.fit(split.train, Run()), split.test, ["recall@20"])["recall@20"]


def test_recent_popularity_beats_that_of_all_times() -> None:
    split = tr.ByTime().split(real("online-retail"))
    check_claim(
        method="RecentPopular",
        claim="the last days' popularity is better than that of all times",
        setting="online-retail, split by time",
        metric="recall@20",
        rows={
            name: lambda seed, method=method: measured(method, split)
            for name, method in {
                "the last 7 days": tr.RecentPopular(),
                "the last 30 days": tr.RecentPopular(days=30),
                "half-life 7 days": tr.RecentPopular(half_life_days=7),
                "Popular": tr.Popular(),
            }.items()
        },
        holds=lambda mean: mean["the last 7 days"] > mean["Popular"],
        seeds=(0,),
    )
