"""BERT4Rec's claims (card sequential/bert4rec)."""

import pytest

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Method, Split

pytestmark = pytest.mark.claims

METRIC = "ndcg@10"
SETTING = (
    "ml-100k, leave one out, full ranking, early stopping on the validation part; 64 dimensions, "
    "two blocks, two heads, dropout 0.2, the last 50 events, 64 people a step, rate 0.001"
)
SHORT, LONG = 30, 90  # passes


@pytest.fixture(scope="module")
def movies() -> Split:
    return tr.LeaveLast().split(real("ml-100k"))


def schedule(epochs: int) -> dict[str, object]:
    return {"epochs": epochs, "rate": 1e-3, "every": 3, "patience": None, "metric": METRIC}


def bert4rec(epochs: int, share: float = 0.2, last: float = 1 / 11) -> Method:
    batches = {"size": 64, "stride": None, "share": share, "last": last}
    return tr.BERT4Rec().changed({"batches": batches, "schedule": schedule(epochs)})


def sasrec(epochs: int, **fields: object) -> Method:
    same = {"dim": 64, "heads": 2, "dropout": 0.2, "schedule": schedule(epochs)}
    return tr.SASRec().changed({"batches": {"size": 64}, **same, **fields})


def everything(epochs: int) -> Method:
    softmax = {"kind": "Softmax", "temperature": 1.0, "cosine": False}
    return sasrec(epochs, objective=softmax, batches={"size": 64, "sampler": "Everything"})


def test_at_few_steps_bert4rec_is_below_sasrec(movies: Split) -> None:
    check_claim(
        method="BERT4Rec",
        claim=f"3: after {SHORT} passes BERT4Rec is still below SASRec with one negative",
        setting=SETTING,
        metric=METRIC,
        rows={
            "BERT4Rec": lambda seed: reached(bert4rec(SHORT), movies, METRIC, seed),
            "SASRec (BCE)": lambda seed: reached(sasrec(SHORT), movies, METRIC, seed),
        },
        holds=lambda mean: mean["BERT4Rec"] < mean["SASRec (BCE)"],
    )


def test_sasrec_with_the_full_softmax_is_as_good(movies: Split) -> None:
    check_claim(
        method="BERT4Rec",
        claim=(
            f"4: SASRec with the full softmax, {SHORT} passes, is at least as good as BERT4Rec, "
            f"{LONG} passes"
        ),
        setting=SETTING,
        metric=METRIC,
        rows={
            "BERT4Rec": lambda seed: reached(bert4rec(LONG), movies, METRIC, seed),
            "SASRec (softmax)": lambda seed: reached(everything(SHORT), movies, METRIC, seed),
        },
        holds=lambda mean: mean["SASRec (softmax)"] >= mean["BERT4Rec"],
    )


def test_hiding_events_everywhere_beats_hiding_the_last_alone(movies: Split) -> None:
    check_claim(
        method="BERT4Rec",
        claim=f"1: more is learned from a full cloze than from the last event, {SHORT} passes",
        setting=SETTING,
        metric=METRIC,
        rows={
            "cloze, share 0.2": lambda seed: reached(bert4rec(SHORT), movies, METRIC, seed),
            "the last alone": lambda seed: reached(bert4rec(SHORT, last=1.0), movies, METRIC, seed),
        },
        holds=lambda mean: mean["cloze, share 0.2"] > mean["the last alone"],
    )
