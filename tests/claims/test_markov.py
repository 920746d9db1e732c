"""What Ludewig and Jannach (UMUAI 2018) found of Markov chains and sequential rules."""

import pytest
import torch

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Split

pytestmark = pytest.mark.claims

ONE = (0,)  # nothing is drawn


def test_what_came_next_beats_popularity() -> None:
    split = tr.Published().split(real("amazon-beauty-s3rec"))
    check_claim(
        method="Markov",
        claim="what came next is better than what is popular",
        setting="amazon-beauty-s3rec, published split, defaults",
        metric="recall@10",
        rows={
            method.__name__: lambda seed, method=method: reached(method(), split, "recall@10", seed)
            for method in (tr.Markov, tr.RecentPopular, tr.Popular)
        },
        holds=lambda mean: mean["Markov"] > 1.5 * mean["Popular"],
        seeds=ONE,
    )


def test_rules_over_several_steps_beat_one_step() -> None:
    whole = tr.Published(requests="event", seen="allow", valid=0).split(real("diginetica-gcegnn"))
    begun = torch.nonzero(whole.test.requests.history.items.lengths > 0)[:, 0]  # as published
    drawn = torch.randperm(len(begun), generator=torch.Generator().manual_seed(0))[:10_000]
    split = Split(whole.train, None, whole.test[begun[drawn.sort().values]], whole.notes)
    check_claim(
        method="Markov",
        claim="sequential rules (SR, ten steps) are better than a Markov chain (MC, one step)",
        setting="diginetica-gcegnn, published split, all training sessions; 10,000 of the 60,858 "
        "prefixes of test sessions, drawn once; seen items allowed",
        metric="recall@20",
        rows={
            f"{steps} steps": lambda seed, steps=steps: reached(
                tr.Markov(steps=steps), split, "recall@20", seed
            )
            for steps in (1, 10)
        },
        holds=lambda mean: mean["10 steps"] > mean["1 steps"],
        seeds=ONE,
    )
