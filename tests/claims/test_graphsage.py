"""What a graph of contents is worth: MMGRec's first stage, with the claims its parts rest on.

GraphSAGE's own (Hamilton et al., 2017): contents mixed along the graph beat either alone, and what
is learned places items that nobody has chosen yet.
"""

from collections.abc import Callable

import pytest

import tesserec as tr
from claims.harness import SEEDS, check_claim, reached, real
from tesserec.core import Method, Split

pytestmark = pytest.mark.claims

NAME, METRIC = "tiktok-diffmm", "recall@20"
SCHEDULE = {"epochs": 20, "rate": 3e-3, "every": 4, "patience": 3}
SETTING = (
    f"{NAME}, image and audio vectors, {{}}, at most 20 epochs at rate 0.003, early stopping on "
    "validation recall@20"
)


def sage(**fields: object) -> Method:
    return tr.GraphSAGE(**fields).changed({"schedule": SCHEDULE})


def row(method: Method, split: Split) -> Callable[[int], float]:
    return lambda seed: reached(method, split, METRIC, seed)


def test_contents_along_the_graph_beat_contents_alone_and_choices_alone() -> None:
    split = tr.Published(seen="exclude_train").split(real(NAME))
    check_claim(
        method="GraphSAGE",
        claim="contents mixed along the graph find more than contents without it, and than the "
        "graph of choices without contents",
        setting=SETTING.format("published split, seen = exclude_train"),
        metric=METRIC,
        rows={
            "contents and choices": row(sage(), split),
            "choices alone (free item vectors)": row(sage(own=True, modalities=()), split),
            "contents alone (ContentKNN)": row(tr.ContentKNN(), split),
        },
        holds=lambda mean: mean["contents and choices"] == max(mean.values()),
        seeds=SEEDS[:2],
    )


def test_items_that_hear_nothing_now_and_then_teach_to_place_new_ones() -> None:
    """Claimed by this engine, not by a paper: what the field `lonely` is for."""
    split = tr.ByItem().split(real(NAME))
    check_claim(
        method="GraphSAGE",
        claim="of items without any event, more are found where a fifth of the items hears "
        "nothing of its neighbours in a step of learning",
        setting=SETTING.format("a tenth of the items held out with all their events"),
        metric=METRIC,
        rows={
            "lonely = 0.2": row(sage(lonely=0.2), split),
            "lonely = 0, the default": row(sage(), split),
            "ContentKNN": row(tr.ContentKNN(), split),
        },
        holds=lambda mean: mean["lonely = 0.2"] > mean["lonely = 0, the default"],
        seeds=SEEDS[:1],
    )
