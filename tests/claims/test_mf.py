"""Claims about matrix factorisation and its objectives (cards lightgcn-bprmf, psl)."""

import pytest

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Method, Split

pytestmark = pytest.mark.claims

METRIC = "ndcg@20"
SETTING = "lastfm-lightgcn, published split, 10 % of training rows for early stopping on ndcg@20"
SCHEDULE = {"every": 5, "patience": 10, "metric": METRIC}
MANY = {"negatives": 1000, "sampler": {"kind": "Shared"}}


@pytest.fixture(scope="module")
def lastfm() -> Split:
    return tr.Published().split(real("lastfm-lightgcn"))


def mf(objective: dict[str, object] | None = None) -> Method:
    """BPR as published; losses over many negatives with the rate and no decay of PSL's card."""
    plain = tr.MF().changed({"schedule": SCHEDULE})
    if objective is None:
        return plain
    return plain.changed(
        {"objective": objective, "decay": 0.0, "batches": MANY, "schedule": {"rate": 1e-2}}
    )


def test_bpr_beats_popularity(lastfm: Split) -> None:
    check_claim(
        method="MF",
        claim="BPR learns more than popularity (Rendle et al., 2009)",
        setting=SETTING,
        metric=METRIC,
        rows={
            "MF (BPR)": lambda seed: reached(mf(), lastfm, METRIC, seed),
            "Popular": lambda seed: reached(tr.Popular(), lastfm, METRIC, seed),
        },
        holds=lambda mean: mean["MF (BPR)"] > 2 * mean["Popular"],
    )


def test_softmax_and_psl_beat_bpr_by_a_wide_margin(lastfm: Split) -> None:
    check_claim(
        method="MF",
        claim="PSL 1: softmax and PSL on MF beat BPR widely, and MF + PSL is above LightGCN + BPR",
        setting=f"{SETTING}; 1,000 shared negatives, temperature 0.2 and half of it for PSL",
        metric=METRIC,
        rows={
            "MF (BPR)": lambda seed: reached(mf(), lastfm, METRIC, seed),
            "MF (softmax)": lambda seed: reached(
                mf({"kind": "Softmax", "temperature": 0.2}), lastfm, METRIC, seed
            ),
            "MF (PSL)": lambda seed: reached(
                mf({"kind": "PSL", "temperature": 0.1}), lastfm, METRIC, seed
            ),
            "LightGCN (BPR)": lambda seed: reached(
                tr.LightGCN().changed({"schedule": SCHEDULE}), lastfm, METRIC, seed
            ),
        },
        holds=lambda mean: (
            min(mean["MF (softmax)"], mean["MF (PSL)"]) > 1.2 * mean["MF (BPR)"]
            and mean["MF (PSL)"] > mean["LightGCN (BPR)"]
        ),
    )
