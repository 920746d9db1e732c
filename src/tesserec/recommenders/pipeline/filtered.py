"""Filtered: a business filter on item columns, as a part of a pipeline."""

from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from tesserec.core import Answering, Recommendations, Requests
from tesserec.recommenders.pipeline.stage import Pipeline
from tesserec.recommenders.where import allowed_items


@dataclass(frozen=True, eq=False)
class Filtered(Pipeline):
    """Answers with items alone that an expression over their columns keeps: `price < 10`."""

    inner: Answering
    where: str

    def __post_init__(self) -> None:
        _ = self._kept  # what cannot be read is refused now

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        allowed = self._kept
        if requests.allowed is not None:
            allowed = allowed & requests.allowed
        return self.inner.recommend(replace(requests, allowed=allowed), k)

    @cached_property
    def _kept(self) -> Tensor:
        """[I] bool"""
        return allowed_items(self.catalog.items, self.where)
