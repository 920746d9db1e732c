"""Reranked: the final list of a recommender is changed, for variety or to learn something."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Answering, Recommendations, Requests
from tesserec.core.errors import BadData, BadRequest
from tesserec.recommenders.pipeline.stage import Pipeline, vectors_of
from tesserec.recommenders.rerank import Explore, Reranker
from tesserec.recommenders.top_k import check


@dataclass(frozen=True, eq=False)
class Reranked(Pipeline):
    """Answers with the best `depth` of `inner`, changed by one reranker after the other.

    Items are compared by `vectors` [I, D] where they are given, else by what the recommender
    compares them by. Exploration comes last: what changes the list after it would not know how
    likely an item was.
    """

    inner: Answering
    rerankers: tuple[Reranker, ...]
    depth: int = 100
    vectors: Tensor | None = None

    def __post_init__(self) -> None:
        check(self.depth)
        if any(isinstance(one, Explore) for one in self.rerankers[:-1]):
            raise BadRequest("Something comes after exploration.", "Let it be the last reranker.")
        if self.vectors is not None and len(self.vectors) != len(self.catalog.items):
            items = len(self.catalog.items)
            raise BadData(f"{len(self.vectors)} vectors were given for {items} items.")
        blind = [type(one).__name__ for one in self.rerankers if one.compares]
        if blind and self.vectors is None and vectors_of(self.inner) is None:
            raise BadRequest(
                f"{blind[0]} compares items by vectors, and this recommender has none.",
                "Give Reranked vectors=..., one row per item; in a file, a run of MF, say.",
            )

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        check(k)
        depth = max(k, self.depth) if self.rerankers else k
        found = self.inner.recommend(requests, depth)
        with torch.inference_mode():
            for place, reranker in enumerate(self.rerankers, 1):
                last = place == len(self.rerankers)
                unit = self._unit if reranker.compares else None
                found = reranker(requests, found, k if last else depth, unit)
        return found

    def grown(self, parts: Mapping[str, Answering]) -> Self:
        """New items have no row in `vectors` that were given: they are like nothing else."""
        if self.vectors is None:
            return self.with_parts(parts)
        new = len(next(iter(parts.values())).catalog.items) - len(self.vectors)
        return self.with_parts(parts, vectors=functional.pad(self.vectors, (0, 0, 0, new)))

    @cached_property
    def _unit(self) -> Tensor:
        """Vectors of unit length: [I, D]"""
        table = self.vectors if self.vectors is not None else vectors_of(self.inner)
        assert table is not None
        return functional.normalize(table.detach().cpu().float(), dim=1)
