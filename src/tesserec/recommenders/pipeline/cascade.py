"""Cascade: one recommender finds candidates, another ranks them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from tesserec.core import Answering, Recommendations, Requests
from tesserec.recommenders.pipeline.align import aligned
from tesserec.recommenders.pipeline.stage import Pipeline
from tesserec.recommenders.top_k import check


@dataclass(frozen=True, eq=False)
class Cascade(Pipeline):
    """Answers with the `candidates` that `source` finds, in the order `ranker` gives them.

    A request that names its candidates goes to the ranker as it is. Where the two know different
    catalogues, `align=True` leaves out what the ranker does not know.
    """

    source: Answering
    ranker: Answering
    candidates: int = 200
    align: bool = False

    def __post_init__(self) -> None:
        check(self.candidates)
        aligned(self.ranker, self.catalog, self.align)

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        check(k)
        if requests.candidates is None:
            found = self.source.recommend(requests, max(k, self.candidates)).items
            used = int((found >= 0).sum(1).max()) if len(found) else 0
            requests = replace(requests, candidates=found[:, : max(used, 1)])
        with torch.inference_mode():
            answers: Recommendations = self._ranker.recommend(requests, k)
        return answers

    @cached_property
    def _ranker(self) -> Any:
        return aligned(self.ranker, self.catalog, self.align)

    @property
    def _able(self) -> tuple[Any, ...]:
        return (self._ranker, self.source)
