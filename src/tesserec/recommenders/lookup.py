"""LookupRecommender: one vector per user, one per item, and the largest inner products."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, cast

import torch
from torch import Tensor

from tesserec.core import Entities, Histories, Requests
from tesserec.recommenders.product import ProductRecommender

Tables = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LookupRecommender(ProductRecommender):
    """Answers for a network with `vectors() -> [U, D], [I, D]`.

    Users it learned from have a vector of their own. A stranger gets one from the history: what
    the network's `stranger(histories)` says, or the mean of the history's items. About whom
    nothing is known is answered as the average user. A network's buffer `known` [U] tells which
    users had events; without it, all had.
    """

    stored: Tables | None = None  # tables read from a file, instead of the network's

    @cached_property
    def _tables(self) -> Tables:
        if self.stored is not None:
            return self.stored
        with torch.inference_mode():
            made = cast(Callable[[], tuple[Tensor, Tensor]], self.network.vectors)()
            users, items = made[0].detach(), made[1].detach()  # they may be parameters themselves
            known = getattr(self.network, "known", torch.ones(len(users), dtype=torch.bool))
            average = users[known].mean(0) if known.any() else users.new_zeros(users.shape[1])
        return {"users": users, "items": items, "average": average, "known": known}

    def tables(self) -> Tables:
        return self._tables

    def with_tables(self, tables: Tables) -> Self:
        return replace(self, stored=tables, index=None)

    def taking(self, tables: Tables, items: Entities) -> Self:
        placed = cast(Callable[[Entities], Tensor], self.network.place)(items)
        return replace(self, stored={**tables, "items": torch.cat([tables["items"], placed])})

    @property
    def item_vectors(self) -> Tensor:
        return self._tables["items"]

    def queries(self, requests: Requests) -> Tensor:
        tables = self._tables
        users = requests.user.to(tables["users"].device)
        if not len(tables["users"]):  # nobody is known
            return self._strange(requests)
        own = tables["users"][users.clamp(min=0)]
        known = (users >= 0) & tables["known"][users.clamp(min=0)]
        if bool(known.all()):
            return own
        return torch.where(known[:, None], own, self._strange(requests))

    def _strange(self, requests: Requests) -> Tensor:
        """Who has a history by that, the others as the average user: [B, D]"""
        average = self._tables["average"]
        lengths = requests.history.items.lengths.to(average.device)
        return torch.where((lengths > 0)[:, None], self._strangers(requests), average)

    def _strangers(self, requests: Requests) -> Tensor:
        histories = requests.history
        make = getattr(self.network, "stranger", None)
        if make is not None:
            return cast(Tensor, make(histories, self.item_vectors))
        return mean_of_items(histories, self.item_vectors)


def mean_of_items(histories: Histories, items: Tensor) -> Tensor:
    """The mean vector of each history's items, 0 where there are none: [B, D]"""
    rows, history = (one.to(items.device) for one in histories.items.pairs())
    total = items.new_zeros(len(histories), items.shape[1]).index_add(0, rows, items[history])
    lengths = histories.items.lengths.to(items.device).clamp(min=1)
    return total / lengths[:, None]
