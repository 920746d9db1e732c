"""EASE's claims (Steck, WWW 2019)."""

import pytest
import torch

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Run, Split
from tesserec.evaluation import mark
from tesserec.parts.graphs import gram

pytestmark = pytest.mark.claims

METRIC = "ndcg@20"
ONE = (0,)  # a closed form has no seeds


@pytest.fixture(scope="module", params=["lastfm-lightgcn", "amazon-baby-mmrec"])
def split(request: pytest.FixtureRequest) -> Split:
    return tr.Published().split(real(request.param))


@pytest.mark.xfail(
    strict=True,
    reason="what a history holds is not answered here, so its diagonal is never looked at, and "
    "off it both have the same matrix but for a factor per column",
)
def test_the_empty_diagonal_is_what_makes_it_work(split: Split) -> None:
    """The paper calls the constraint crucial (sec. 2): without it items explain themselves."""

    def with_diagonal(seed: int) -> float:
        model = tr.EASE().fit(split.train, Run())
        table = gram(split.train)
        ridge = torch.linalg.solve(table + 500.0 * torch.eye(len(table)), table)
        model.network.weight = ridge
        return mark(model, split.test, [METRIC])[METRIC]

    name = split.test.source["data"]
    check_claim(
        method="EASE",
        claim=f"the constraint diag(B) = 0 is essential ({name})",
        setting=f"{name}, published split, regularization 500",
        metric=METRIC,
        rows={
            "EASE": lambda seed: reached(tr.EASE(), split, METRIC, seed),
            "ridge regression with its diagonal": with_diagonal,
        },
        holds=lambda mean: mean["EASE"] > mean["ridge regression with its diagonal"],
        seeds=ONE,
    )


def test_it_beats_neighbourhoods_and_popularity(split: Split) -> None:
    name = split.test.source["data"]
    check_claim(
        method="EASE",
        claim=f"it beats item neighbourhoods and popularity ({name})",
        setting=f"{name}, published split, defaults",
        metric=METRIC,
        rows={
            kind.__name__: lambda seed, kind=kind: reached(kind(), split, METRIC, seed)
            for kind in (tr.EASE, tr.ItemKNN, tr.Popular)
        },
        holds=lambda mean: mean["EASE"] > max(mean["ItemKNN"], mean["Popular"]),
        seeds=ONE,
    )
