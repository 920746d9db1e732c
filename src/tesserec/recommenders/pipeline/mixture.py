"""Mixture: the lists of several recommenders become one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from tesserec.core import Answering, Recommendations, Requests
from tesserec.core.errors import BadRequest
from tesserec.recommenders.pipeline.align import aligned
from tesserec.recommenders.pipeline.merging import Merging, ReciprocalRanks
from tesserec.recommenders.pipeline.stage import Pipeline
from tesserec.recommenders.top_k import check, nothing, rank_candidates


@dataclass(frozen=True, eq=False)
class Mixture(Pipeline):
    """Answers with the items that have the most points in the first `depth` of all lists.

    An item's points are added up over the lists, each times its weight (1 where none are given).
    Where catalogues differ, `align=True` leaves out what the first recommender does not know.
    """

    recommenders: tuple[Answering, ...]
    weights: tuple[float, ...] = ()
    merging: Merging = field(default_factory=ReciprocalRanks)
    depth: int = 100
    align: bool = False

    def __post_init__(self) -> None:
        check(self.depth)
        if not self.recommenders:
            raise BadRequest("A mixture of nothing has no answers.", "Give it recommenders.")
        if self.weights and len(self.weights) != len(self.recommenders):
            raise BadRequest(
                f"{len(self.recommenders)} recommenders have {len(self.weights)} weights.",
                "Give one weight for each, or none.",
            )
        if any(not 0 <= weight < float("inf") for weight in self.weights):
            raise BadRequest(f"Weights are numbers from 0 up, not {self.weights}.")
        _ = self._aligned

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        check(k)
        if not len(requests):
            return nothing(0, k)
        weights = self.weights or (1.0,) * len(self.recommenders)
        lists = [part.recommend(requests, max(k, self.depth)) for part in self._aligned]
        items = torch.cat([one.items for one in lists], dim=1)
        points = torch.cat(
            [weight * self.merging(one) for weight, one in zip(weights, lists, strict=True)], dim=1
        )
        merged = replace(requests, candidates=items)
        return rank_candidates(_added_up(items, points), merged, k)

    @cached_property
    def _aligned(self) -> tuple[Any, ...]:
        return tuple(aligned(part, self.catalog, self.align) for part in self.recommenders)

    @property
    def spare(self) -> Collection[str]:
        return tuple(self.parts)[1:]

    def grown(self, parts: Mapping[str, Answering]) -> Self:
        return self.with_parts(parts, align=True)

    @property
    def _able(self) -> tuple[Any, ...]:
        return self._aligned


def _added_up(items: Tensor, points: Tensor) -> Tensor:
    """For each place the points of all places of its row that name the same item: [B, C]"""
    rows = torch.arange(len(items))[:, None]
    keys = rows * (int(items.max()) + 2) + items + 1
    _, place = keys.unique(return_inverse=True)
    total = points.new_zeros(int(place.max()) + 1).index_add(0, place.flatten(), points.flatten())
    return total[place]
