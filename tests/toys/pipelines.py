"""Recommenders made of recommenders whose scores are drawn, and what is asked of them."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from tesserec.core import Histories, Ragged, Requests
from tesserec.recommenders import Cascade, Fallback, Filtered, LookupRecommender, Mixture, Reranked
from tesserec.recommenders.pipeline import NormalisedScores, Pipeline
from tesserec.recommenders.rerank import DPP, MMR, Epsilon, Gumbel
from toys.recommenders import items_of, written


class Vectors(nn.Module):
    """Tables that are given."""

    def __init__(self, users: Tensor, items: Tensor) -> None:
        super().__init__()
        self.register_buffer("users", users)
        self.register_buffer("items", items)

    def vectors(self) -> tuple[Tensor, Tensor]:
        return self.users, self.items


def drawn(items: int, seed: int = 0, users: int = 6, dim: int = 4) -> LookupRecommender:
    """Users and items with random vectors."""
    draw = torch.Generator().manual_seed(seed)
    tables = torch.randn(users, dim, generator=draw), torch.randn(items, dim, generator=draw)
    return LookupRecommender(Vectors(*tables), items_of(items))


def every_kind(items: int) -> dict[str, Pipeline]:
    """A pipeline of each kind over so many items, and some of several."""
    one, other = drawn(items, 1), drawn(items, 2)
    nobody = written(torch.full((6, items), -torch.inf))
    return {
        "Cascade": Cascade(one, other, candidates=5),
        "Filtered": Filtered(one, "id < 7"),
        "Fallback": Fallback(nobody, one),
        "Mixture": Mixture((one, other), (1.0, 2.0), depth=4),
        "Mixture of scores": Mixture((one, other), merging=NormalisedScores(), depth=4),
        "MMR": Reranked(one, (MMR(),), depth=8),
        "DPP": Reranked(one, (DPP(),), depth=8),
        "Epsilon": Reranked(one, (Epsilon(share=0.5),), depth=8),
        "Gumbel": Reranked(one, (Gumbel(),), depth=8),
        "all together": Reranked(
            Fallback(
                Filtered(Cascade(Mixture((one, other), depth=6), other, candidates=9), "id != 3"),
                one,
            ),
            (MMR(relevance=0.3), DPP(), Gumbel(temperature=2.0)),
            depth=8,
        ),
    }


@st.composite
def questions(draw: st.DrawFn, items: int, users: int = 6) -> Requests:
    """Any requests: strangers, histories, what is excluded, allowed, or to be ranked alone."""
    count = draw(st.integers(1, 5))
    row = st.lists(st.integers(0, items - 1), max_size=items)
    rows = st.lists(row, min_size=count, max_size=count)
    candidates = draw(st.one_of(st.none(), rows))
    exclude = draw(st.one_of(st.none(), rows))
    allowed = draw(st.one_of(st.none(), st.lists(st.booleans(), min_size=items, max_size=items)))
    asks = st.lists(st.integers(-1, users - 1), min_size=count, max_size=count)
    return Requests(
        torch.tensor(draw(asks)),
        Histories(Ragged.of(draw(rows))),
        candidates=None if candidates is None else Ragged.of(candidates).padded(),
        exclude=None if exclude is None else Ragged.of(exclude),
        allowed=None if allowed is None else torch.tensor(allowed),
    )
