"""ALS's claims (Hu, Koren and Volinsky, ICDM 2008; Takacs et al., RecSys 2011)."""

import pytest

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Split

pytestmark = pytest.mark.claims

METRIC = "ndcg@20"


@pytest.fixture(scope="module", params=["lastfm-lightgcn", "gowalla-lightgcn"])
def split(request: pytest.FixtureRequest) -> Split:
    return tr.Published().split(real(request.param))


def test_confidence_makes_the_difference(split: Split) -> None:
    """Without confidence all entries of the matrix count alike, and quality falls (Hu, sec. 6)."""
    name = split.test.source["data"]
    check_claim(
        method="ALS",
        claim=f"events must count more than their absence ({name})",
        setting=f"{name}, published split, defaults but for alpha",
        metric=METRIC,
        rows={
            f"alpha = {alpha:g}": lambda seed, alpha=alpha: reached(
                tr.ALS(alpha=alpha), split, METRIC, seed
            )
            for alpha in (0.001, 1, 10)
        },
        holds=lambda mean: mean["alpha = 10"] > mean["alpha = 1"] > mean["alpha = 0.001"],
    )


def test_it_beats_neighbourhoods_and_popularity(split: Split) -> None:
    name = split.test.source["data"]
    check_claim(
        method="ALS",
        claim=f"it beats item neighbourhoods and popularity ({name})",
        setting=f"{name}, published split, defaults",
        metric=METRIC,
        rows={
            kind.__name__: lambda seed, kind=kind: reached(kind(), split, METRIC, seed)
            for kind in (tr.ALS, tr.ItemKNN, tr.Popular)
        },
        holds=lambda mean: mean["ALS"] > mean["ItemKNN"] > mean["Popular"],
    )


def test_three_steps_of_conjugate_gradient_are_enough(split: Split) -> None:
    """The approximate solver loses next to nothing against many steps (Takacs et al.)."""
    name = split.test.source["data"]
    check_claim(
        method="ALS",
        claim=f"3 conjugate gradient steps reach what 20 reach, to 2 % ({name})",
        setting=f"{name}, published split, defaults but for steps",
        metric=METRIC,
        rows={
            f"{steps} steps": lambda seed, steps=steps: reached(
                tr.ALS(steps=steps), split, METRIC, seed
            )
            for steps in (1, 3, 20)
        },
        holds=lambda mean: mean["3 steps"] >= 0.98 * mean["20 steps"],
        seeds=(0,),
    )
