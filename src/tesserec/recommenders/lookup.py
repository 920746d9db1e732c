"""LookupRecommender: one vector per user, one per item, and the largest inner products."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, cast

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.recommenders.answerer import Answerer
from tesserec.recommenders.top_k import rank_candidates, rank_products

Tables = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class LookupRecommender(Answerer):
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
        return replace(self, stored=tables)

    @property
    def item_vectors(self) -> Tensor:
        """[I, D]"""
        return self._tables["items"]

    def queries(self, requests: Requests) -> Tensor:
        """The vector each request is answered with: [B, D]"""
        tables = self._tables
        users = requests.user.to(tables["users"].device)
        own = tables["users"][users.clamp(min=0)]
        known = (users >= 0) & tables["known"][users.clamp(min=0)]
        if bool(known.all()):
            return own
        lengths = requests.history.items.lengths.to(own.device)
        strange = torch.where((lengths > 0)[:, None], self._strangers(requests), tables["average"])
        return torch.where(known[:, None], own, strange)

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        with torch.inference_mode():
            if requests.candidates is not None:
                scores = self.score(requests, requests.candidates)
                return rank_candidates(scores, requests, k)
            return rank_products(self.queries(requests), self.item_vectors, requests, k)

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        """[B, C] -> [B, C]; -inf beside -1."""
        with torch.inference_mode():
            queries, table = self.queries(requests), self.item_vectors
            if items.stride(0) == 0 and len(items):  # the same items for all: one product
                scores = queries @ table[items[0].clamp(min=0).to(table.device)].T
            else:
                size = max(1, 2**24 // max(items.shape[1] * table.shape[1], 1))
                blocks = zip(queries.split(size), items.to(table.device).split(size), strict=True)
                scores = torch.cat([_products(query, table, rows) for query, rows in blocks])
        return torch.where(items >= 0, scores.cpu(), -torch.inf)

    def similar(self, items: Tensor, k: int) -> Recommendations:
        """Nearest by cosine of the item vectors, the item itself left out."""
        unit = functional.normalize(self.item_vectors, dim=1)
        themselves = Ragged.of([[row] for row in items.tolist()])
        asked = Requests(torch.full_like(items, -1), Histories(themselves), exclude=themselves)
        return rank_products(unit[items.to(unit.device)], unit, asked, k)

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """How near each history item is to the answer, the nearness above 0 shared out: [n]"""
        unit = functional.normalize(self.item_vectors, dim=1).cpu()
        rows, history = requests.history.items.pairs()
        nearness = (unit[history] * unit[items[rows]]).sum(1).clamp(min=0)
        total = torch.zeros(len(items)).index_add(0, rows, nearness)
        return nearness / total[rows].clamp(min=1e-12)

    def _strangers(self, requests: Requests) -> Tensor:
        histories = requests.history
        make = getattr(self.network, "stranger", None)
        if make is not None:
            return cast(Tensor, make(histories, self.item_vectors))
        return mean_of_items(histories, self.item_vectors)


def _products(queries: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    """[b, D], [b, C] -> [b, C]"""
    return (table[rows.clamp(min=0)] @ queries[:, :, None])[:, :, 0]


def mean_of_items(histories: Histories, items: Tensor) -> Tensor:
    """The mean vector of each history's items, 0 where there are none: [B, D]"""
    rows, history = (one.to(items.device) for one in histories.items.pairs())
    total = items.new_zeros(len(histories), items.shape[1]).index_add(0, rows, items[history])
    lengths = histories.items.lengths.to(items.device).clamp(min=1)
    return total / lengths[:, None]
