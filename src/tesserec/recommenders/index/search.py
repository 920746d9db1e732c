"""Indexed: an index that was built, how well it finds, and answers that lose nothing by it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.core.files import read_json, write_json
from tesserec.recommenders.index.exact import Exact
from tesserec.recommenders.index.faiss import FaissHNSW
from tesserec.recommenders.index.searcher import Index, Searcher
from tesserec.recommenders.top_k import check, nothing, rank_candidates, rank_products

FILE = "search.json"
LARGE = 200_000  # items from which on looking at all takes longer than an index does
FEW = 0.1  # of the items are allowed: looking at these alone is quicker than the index
WIDEST = 4096  # answers an index is asked for; beyond that all items are looked at
MEASURED = 20  # answers of which recall is told


def index_for(items: int) -> Index:
    """The kind of index for so many items: none until there are many.

    A graph finds much whatever the vectors are like; cells are built sooner, and find as much
    where items lie in clusters.
    """
    return Exact() if items < LARGE else FaissHNSW()


@dataclass(frozen=True, eq=False)
class Indexed:
    """Searches for a table of item vectors, and ranks what is found by the exact products."""

    kind: Index
    searcher: Searcher
    recall: float  # share of the exact best 20 that it finds, when it was built
    queries: int  # by how many queries that was measured

    @classmethod
    def built(cls, kind: Index, items: Tensor, queries: Tensor) -> "Indexed":
        """Built from items [I, D], and measured by queries [Q, D]."""
        made = cls(kind, kind.build(items), 1.0, len(queries))
        return made if kind.is_exact else replace(made, recall=made.measured(items, queries))

    def grown(self, items: Tensor, known: int, queries: Tensor) -> "Indexed":
        """The same kind for more items, measured anew; those it knows are not put in again."""
        searcher = self.kind.grown(self.searcher, items, known)
        made = replace(self, searcher=searcher, queries=len(queries))
        return made if self.kind.is_exact else replace(made, recall=made.measured(items, queries))

    def measured(self, items: Tensor, queries: Tensor, k: int = MEASURED) -> float:
        """The share of the exact best k of some queries that the index finds: recall@k."""
        k = min(k, len(items))
        if not len(queries) or not k:
            return 1.0
        exact = Exact().build(items).search(queries, k)
        found = self.searcher.search(queries, k)
        return float((exact[:, :, None] == found[:, None, :]).any(2).double().mean())

    def rank(self, queries: Tensor, items: Tensor, requests: Requests, k: int) -> Recommendations:
        """The k best items that may be answered: [B, D] x [I, D] -> [B, k]

        The index is asked for more where what it found may not be answered; who has fewer than k
        answers even then is answered by looking at all items.
        """
        check(k)
        if isinstance(self.kind, Exact) or _few_allowed(requests):
            return rank_products(queries, items, requests, k)
        answers = nothing(len(queries), k)
        rows = torch.arange(len(queries))
        count = k + self._excluded(requests)
        while len(rows) and count <= min(WIDEST, len(items)):
            found = self.searcher.search(queries[rows], count)
            part = _ranked(queries[rows], items, found, requests[rows], k)
            answers.items[rows], answers.scores[rows] = part.items, part.scores
            rows = rows[(part.items < 0).any(1)]
            count *= 4
        if len(rows):
            part = rank_products(queries[rows], items, requests[rows], k)
            answers.items[rows], answers.scores[rows] = part.items, part.scores
        return answers

    def write(self, folder: Path) -> None:
        """Beside the tables of a model."""
        self.kind.write(self.searcher, folder)
        write_json(folder / FILE, {"index": self.kind.to_dict(), **self.facts})

    @property
    def facts(self) -> Mapping[str, Any]:
        """How well it finds, and by how many queries that was measured."""
        return {f"recall@{MEASURED}": self.recall, "queries": self.queries}

    @classmethod
    def read(cls, folder: Path, items: Tensor) -> "Indexed | None":
        """The index of a model's folder, if it was given one."""
        if not (folder / FILE).is_file():
            return None
        facts = read_json(folder / FILE)
        kind = Index.from_dict(facts["index"])
        found = kind.read(folder, items)
        return cls(kind, found, facts[f"recall@{MEASURED}"], facts["queries"])

    @staticmethod
    def _excluded(requests: Requests) -> int:
        """As many more as one request excludes, within what an index is asked for at first."""
        if requests.exclude is None or not len(requests):
            return 0
        return min(int(requests.exclude.lengths.max()), WIDEST // 8)


def sampled(users: int, items: int, count: int = 500) -> Requests:
    """Known users, spread evenly, who each did one thing: what an index is measured by."""
    count = min(count, max(users, items))
    places = torch.arange(count)
    history = Ragged.packed(places * items // max(count, 1), torch.ones_like(places))
    people = places * users // max(count, 1) if users else torch.full_like(places, -1)
    return Requests(people, Histories(history))


def _few_allowed(requests: Requests) -> bool:
    allowed = requests.allowed
    return allowed is not None and float(allowed.float().mean()) < FEW


def _ranked(queries: Tensor, items: Tensor, found: Tensor, requests: Any, k: int) -> Any:
    """What was found, in the order of the exact products: [B, C] -> [B, k]"""
    rows = found.clamp(min=0).to(items.device)
    scores = (items[rows] @ queries[:, :, None])[:, :, 0]
    return rank_candidates(scores, replace(requests, candidates=found), k)
