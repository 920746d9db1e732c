"""What Ludewig and Jannach (UMUAI 2018) found of simple rows for sessions."""

import pytest
import torch

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Method, Split

pytestmark = pytest.mark.claims

METRIC = "recall@20"
SETTING = (
    "diginetica-gcegnn, published split, all training sessions; 10,000 of the 60,858 prefixes of "
    "test sessions, drawn once; seen items allowed; defaults where not said"
)
ONE = (0,)  # nothing is drawn


@pytest.fixture(scope="module")
def split() -> Split:
    whole = tr.Published(requests="event", seen="allow", valid=0).split(real("diginetica-gcegnn"))
    begun = torch.nonzero(whole.test.requests.history.items.lengths > 0)[:, 0]  # as published
    drawn = torch.randperm(len(begun), generator=torch.Generator().manual_seed(0))[:10_000]
    return Split(whole.train, None, whole.test[begun[drawn.sort().values]], whole.notes)


def rows(split: Split, methods: dict[str, Method]) -> dict[str, object]:
    return {
        name: lambda seed, method=method: reached(method, split, METRIC, seed)
        for name, method in methods.items()
    }


def test_session_neighbours_beat_transitions_and_these_what_is_popular_lately(split: Split) -> None:
    check_claim(
        method="VSKNN",
        claim="V-SKNN is better than a Markov chain, and that better than recent popularity",
        setting=SETTING,
        metric=METRIC,
        rows=rows(
            split,
            {
                "VSKNN": tr.VSKNN(),
                "Markov": tr.Markov(),
                "RecentPopular": tr.RecentPopular(),
                "Popular": tr.Popular(),
            },
        ),
        holds=lambda mean: (
            mean["VSKNN"] > 1.2 * mean["Markov"] and mean["Markov"] > 2 * mean["RecentPopular"]
        ),
        seeds=ONE,
    )


def test_weighting_later_events_beats_sets_alone(split: Split) -> None:
    check_claim(
        method="VSKNN",
        claim="V-SKNN, whose later events weigh more, is better than S-KNN, where all weigh alike",
        setting=SETTING,
        metric=METRIC,
        rows=rows(
            split,
            {
                "V-SKNN (decay 1)": tr.VSKNN(match_decay=0),
                "S-KNN (decay 0)": tr.VSKNN(decay=0, match_decay=0),
                "the defaults": tr.VSKNN(),
            },
        ),
        holds=lambda mean: (
            min(mean["V-SKNN (decay 1)"], mean["the defaults"]) > 1.02 * mean["S-KNN (decay 0)"]
        ),
        seeds=ONE,
    )
