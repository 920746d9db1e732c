"""What is known of repeats: where people come back, the last cart is hard to beat."""

import pytest

import tesserec as tr
from claims.harness import check_claim, reached, real
from tesserec.core import Split

pytestmark = pytest.mark.claims

ONE = (0,)  # nothing is drawn
SETTING = "retailrocket-mbht, published split, the bought target after all before it, seen = allow"
CART = (("cart", 2.0), ("buy", 0.5))


@pytest.fixture(scope="module")
def bought() -> Split:
    splitter = tr.Published(requests="last", seen="allow", sessions=True)
    return splitter.split(real("retailrocket-mbht"))


@pytest.mark.parametrize("metric", ["recall@1", "recall@5", "recall@10", "ndcg@10"])
def test_the_last_cart_tells_what_is_bought(bought: Split, metric: str) -> None:
    check_claim(
        method="Repeat",
        claim="what is bought was viewed or carted before: carts before views beat the most recent "
        f"event, and who looks elsewhere finds next to nothing ({metric})",
        setting=SETTING,
        metric=metric,
        rows={
            "Repeat, carts first, then views": lambda seed: reached(
                tr.Repeat(weights=CART), bought, metric, seed
            ),
            "Repeat, most recent first": lambda seed: reached(tr.Repeat(), bought, metric, seed),
            "ItemKNN": lambda seed: reached(tr.ItemKNN(), bought, metric, seed),
            "Popular": lambda seed: reached(tr.Popular(), bought, metric, seed),
        },
        holds=lambda mean: (
            mean["Repeat, carts first, then views"]
            > mean["Repeat, most recent first"]
            > 0.8
            > 0.05
            > max(mean["ItemKNN"], mean["Popular"])
        ),
        seeds=ONE,
    )


def test_in_a_shop_the_next_purchase_is_often_an_old_one() -> None:
    split = tr.Published(requests="last", seen="allow").split(real("online-retail"))
    check_claim(
        method="Repeat",
        claim="the last purchase of a person is among the ten items they bought last at least "
        "three times as often as among the neighbours of all they bought (online-retail)",
        setting="online-retail, published split, the last event of each person, seen = allow",
        metric="recall@10",
        rows={
            kind.__name__: lambda seed, kind=kind: reached(kind(), split, "recall@10", seed)
            for kind in (tr.Repeat, tr.ItemKNN, tr.Popular)
        },
        holds=lambda mean: mean["Repeat"] > 3 * mean["ItemKNN"] > 3 * mean["Popular"],
        seeds=ONE,
    )
