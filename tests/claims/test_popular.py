"""What is known of popularity: better than chance, and the least of catalogues."""

import pytest
import torch

import tesserec as tr
from claims.harness import check_claim, real
from tesserec.core import Run, Split
from tesserec.evaluation import mark

pytestmark = pytest.mark.claims


@pytest.fixture(scope="module", params=["lastfm-lightgcn", "online-retail"])
def split(request: pytest.FixtureRequest) -> Split:
    return tr.Published().split(real(request.param))


def measured(split: Split, metric: str, seed: int, shuffled: bool) -> float:
    model = tr.Popular().fit(split.train, Run(seed=seed))
    if shuffled:
        order = torch.randperm(len(model.network.events), generator=Run(seed=seed).generator("x"))
        model.network.events = model.network.events[order]
    return mark(model, split.test, [metric])[metric]


def test_popularity_beats_chance(split: Split) -> None:
    name = split.test.source["data"]
    check_claim(
        method="Popular",
        claim=f"what many chose is chosen again: at least twice as good as a random order ({name})",
        setting=f"{name}, published split",
        metric="ndcg@10",
        rows={
            "Popular": lambda seed: measured(split, "ndcg@10", seed, shuffled=False),
            "the same counts on random items": lambda seed: measured(
                split, "ndcg@10", seed, shuffled=True
            ),
        },
        holds=lambda mean: mean["Popular"] > 2 * mean["the same counts on random items"],
    )


def test_popularity_shows_next_to_nothing_of_the_catalogue(split: Split) -> None:
    name = split.test.source["data"]
    check_claim(
        method="Popular",
        claim=f"its lists cover under 2 % of the items, neighbours ten times that ({name})",
        setting=f"{name}, published split",
        metric="coverage@10",
        rows={
            "Popular": lambda seed: measured(split, "coverage@10", seed, shuffled=False),
            "ItemKNN": lambda seed: mark(
                tr.ItemKNN().fit(split.train, Run()), split.test, ["coverage@10"]
            )["coverage@10"],
        },
        holds=lambda mean: mean["Popular"] < 0.02 and mean["ItemKNN"] > 10 * mean["Popular"],
        seeds=(0,),
    )
