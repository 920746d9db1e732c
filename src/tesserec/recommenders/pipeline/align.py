"""Aligned: a recommender of one catalogue answers in the rows of another."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor

from tesserec.core import Catalog, Entities, Recommendations, Recommender, Requests
from tesserec.core.errors import BadRequest, CannotAnswer
from tesserec.recommenders.top_k import nothing


def aligned(part: Recommender, catalog: Catalog, align: bool) -> Any:
    """The part, speaking the rows of `catalog`: itself where ids are equal.

    Raises `BadRequest` where they are not and nobody said `align`.
    """
    for name in ("items", "users"):
        theirs, ours = getattr(part.catalog, name), getattr(catalog, name)
        if not _same(theirs, ours):
            if align:
                return Aligned(part, catalog)
            raise BadRequest(
                f"Two parts of a pipeline know different {name}: {len(ours)} and {len(theirs)}.",
                "Fit them on the same data, or say align=True: what one does not know is left out.",
            )
    return part


@dataclass(frozen=True, eq=False)
class Aligned:
    """Rows become ids and rows of the other catalogue; what only one of them knows is left out.

    Users that the inner recommender does not know are strangers to it.
    """

    inner: Recommender
    catalog: Catalog

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        """As the inner recommender, of the items both know."""
        found = self.inner.recommend(self._asked(requests), k)
        return replace(found, items=_mapped(found.items, self._items_back))

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        """[B, C] -> [B, C]; -inf beside -1 and beside what the inner one does not know."""
        rated = self._able("score")(self._asked(requests), _mapped(items, self._items))
        return cast(Tensor, rated)

    def similar(self, items: Tensor, k: int) -> Recommendations:
        """The nearest of the items both know; none of an item that the inner one does not."""
        known = _mapped(items, self._items)
        there = known >= 0
        best = nothing(len(items), k)
        width, most = 2 * k, len(self.inner.catalog.items)
        while bool(there.any()):
            found = self._able("similar")(known[there], width)
            rows = _mapped(found.items, self._items_back)
            if width >= most or bool(((rows >= 0).sum(1) >= k).all()):
                scores = torch.where(rows >= 0, found.scores, -torch.inf)
                # Neighbours that are not ours are passed over, and the places close up.
                order = (rows < 0).long().argsort(dim=1, stable=True)[:, :k]
                best.items[there] = rows.gather(1, order)
                best.scores[there] = scores.gather(1, order)
                break
            width *= 4
        return best

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """A share for each place of our histories; none for what the inner one does not know."""
        asked = self._asked(requests)
        known = _mapped(items, self._items)
        given = self._able("shares")(asked, known.clamp(min=0))
        rows, history = requests.history.items.pairs()
        shares = torch.zeros(len(history))
        shares[_mapped(history, self._items) >= 0] = given
        return torch.where(known[rows] >= 0, shares, 0.0)

    @property
    def item_vectors(self) -> Tensor:
        """Zeros for what the inner recommender does not know: [I, D]"""
        table = self._able("item_vectors")
        rows = self._items.to(table.device)
        return cast(Tensor, table[rows.clamp(min=0)] * (rows >= 0)[:, None])

    @cached_property
    def _items(self) -> Tensor:
        return self.inner.catalog.items.rows(self.catalog.items.ids)

    @cached_property
    def _items_back(self) -> Tensor:
        return self.catalog.items.rows(self.inner.catalog.items.ids)

    @cached_property
    def _users(self) -> Tensor:
        return self.inner.catalog.users.rows(self.catalog.users.ids)

    def _able(self, does: str) -> Any:
        able = getattr(self.inner, does, None)
        if able is None:
            raise CannotAnswer(f"{type(self.inner).__name__} has no {does}.")
        return able

    def _asked(self, requests: Requests) -> Requests:
        candidates, exclude = requests.candidates, requests.exclude
        allowed = self._items_back >= 0  # what only the inner one knows is no answer
        if requests.allowed is not None:
            allowed &= requests.allowed[self._items_back.clamp(min=0)]
        return replace(
            requests,
            user=_mapped(requests.user, self._users),
            history=requests.history.renumbered(self._items),
            candidates=None if candidates is None else _mapped(candidates, self._items),
            exclude=None if exclude is None else exclude.renumbered(self._items)[0],
            allowed=allowed,
        )


def _same(one: Entities, other: Entities) -> bool:
    return one.ids is other.ids or one.ids.equals(other.ids, check_dtypes=True)


def _mapped(rows: Tensor, place: Tensor) -> Tensor:
    """The other number of each row, -1 for nothing and for what has none."""
    if not len(place):
        return torch.full_like(rows, -1)
    return torch.where(rows >= 0, place[rows.clamp(min=0)], -1)
