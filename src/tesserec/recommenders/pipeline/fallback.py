"""Fallback: who cannot be answered by one recommender is answered by another."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch

from tesserec.core import Answering, Recommendations, Requests
from tesserec.recommenders.pipeline.align import aligned
from tesserec.recommenders.pipeline.stage import Pipeline


@dataclass(frozen=True, eq=False)
class Fallback(Pipeline):
    """Rows of -1 are filled with what `strangers` answers; it is asked for nobody else.

    Where the two know different catalogues, `align=True` leaves out what the first does not know.
    """

    inner: Answering
    strangers: Answering
    align: bool = False

    def __post_init__(self) -> None:
        aligned(self.strangers, self.catalog, self.align)

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        found = self.inner.recommend(requests, k)
        empty = torch.nonzero((found.items < 0).all(1))[:, 0]
        if not len(empty):
            return found
        other = self._strangers.recommend(requests[empty], k)
        return replace(
            found,
            items=found.items.index_copy(0, empty, other.items),
            scores=found.scores.index_copy(0, empty, other.scores.to(found.scores.dtype)),
            propensities=None,
        )

    @cached_property
    def _strangers(self) -> Any:
        return aligned(self.strangers, self.catalog, self.align)

    @property
    def spare(self) -> Collection[str]:
        return tuple(self.parts)[1:]

    def grown(self, parts: Mapping[str, Answering]) -> Self:
        return self.with_parts(parts, align=True)

    @property
    def _able(self) -> tuple[Any, ...]:
        return (self.inner, self._strangers)
