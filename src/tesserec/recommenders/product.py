"""ProductRecommender: answers are the largest inner products of a query with the items' vectors."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.recommenders.answerer import Answerer
from tesserec.recommenders.index import Index, Indexed, sampled
from tesserec.recommenders.top_k import rank_candidates, rank_products


@dataclass(frozen=True, eq=False)
class ProductRecommender(Answerer):
    """What recommenders that make a query per request have in common."""

    index: Indexed | None = field(default=None, kw_only=True)  # or all items are looked at

    @property
    @abstractmethod
    def item_vectors(self) -> Tensor:
        """[I, D]"""

    @abstractmethod
    def queries(self, requests: Requests) -> Tensor:
        """The vector each request is answered with: [B, D]"""

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        with torch.inference_mode():
            if requests.candidates is not None:
                scores = self.score(requests, requests.candidates)
                return rank_candidates(scores, requests, k)
            return self.ranked(self.queries(requests), requests, k)

    def ranked(self, queries: Tensor, requests: Requests, k: int) -> Recommendations:
        """The answers to requests whose queries are known: [B, D] -> [B, k]"""
        rank = rank_products if self.index is None else self.index.rank
        return rank(queries, self.item_vectors, requests, k)

    def indexed(self, kind: Index, asked: Requests | None = None) -> Self:
        """The same recommender with an index over its items.

        How well it finds is measured by what is `asked`, else by a sample of users and items.
        """
        asked = asked or sampled(len(self.catalog.users), len(self.catalog.items))
        with torch.inference_mode():
            made = Indexed.built(kind, self.item_vectors, self.queries(asked))
        return replace(self, index=made)

    def indexed_like(self, other: Self) -> Self:
        """The same recommender with the index of one that has fewer items, if that has one."""
        if other.index is None:
            return self
        asked = sampled(len(self.catalog.users), len(self.catalog.items))
        with torch.inference_mode():
            known, queries = len(other.item_vectors), self.queries(asked)
            made = other.index.grown(self.item_vectors, known, queries)
        return replace(self, index=made)

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
        unit = self._unit
        themselves = Ragged.of([[row] for row in items.tolist()])
        asked = Requests(torch.full_like(items, -1), Histories(themselves), exclude=themselves)
        return rank_products(unit[items.to(unit.device)], unit, asked, k)

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """How near each history item is to the answer, the nearness above 0 shared out: [n]

        Where none is near, all have as much of a share.
        """
        return shares_of(self._unit.cpu(), requests, items)

    @cached_property
    def _unit(self) -> Tensor:
        """The items' vectors with a length of 1: [I, D]"""
        with torch.inference_mode():
            return functional.normalize(self.item_vectors, dim=1)


def shares_of(unit: Tensor, requests: Requests, items: Tensor) -> Tensor:
    """By vectors of unit length [I, D]: how near each history item is to the answer [B]: [n]"""
    rows, history = requests.history.items.pairs()
    nearness = (unit[history] * unit[items[rows]]).sum(1).clamp(min=0)
    total = torch.zeros(len(items)).index_add(0, rows, nearness)
    alike = 1 / requests.history.items.lengths[rows]
    return torch.where(total[rows] > 0, nearness / total[rows].clamp(min=1e-12), alike)


def _products(queries: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    """[b, D], [b, C] -> [b, C]"""
    return (table[rows.clamp(min=0)] @ queries[:, :, None])[:, :, 0]
