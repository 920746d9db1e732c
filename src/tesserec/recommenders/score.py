"""ScoreRecommender: a network that scores the whole catalogue from a history."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.core.errors import CannotAnswer
from tesserec.recommenders.answerer import Answerer
from tesserec.recommenders.top_k import nothing, rank_candidates, rank_scores

ScoreAll = Callable[[Requests], Tensor]


@dataclass(frozen=True, eq=False)
class ScoreRecommender(Answerer):
    """Answers for a network with `score_all(requests) -> [B, I]`.

    Where the network has `contributions(requests, items) -> [n]` it can explain, and where it has
    `likeness(items) -> [n, I]` it knows neighbours.
    """

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        with torch.inference_mode():
            if requests.candidates is not None:
                return rank_candidates(self.score(requests, requests.candidates), requests, k)
            blocks = (requests[block] for block in self._blocks(len(requests)))
            parts = [rank_scores(self._all(part), part, k) for part in blocks]
        return Recommendations.joined(parts) if parts else nothing(0, k)

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        """[B, C] -> [B, C]; -inf beside -1."""
        with torch.inference_mode():
            scores = torch.full(items.shape, -torch.inf)
            for block in self._blocks(len(requests)):
                whole = self._all(requests[block]).cpu()
                scores[block] = whole.gather(1, items[block].clamp(min=0))
        return torch.where(items >= 0, scores, -torch.inf)

    def similar(self, items: Tensor, k: int) -> Recommendations:
        """The items that the network finds most alike, the item itself left out."""
        likeness = getattr(self.network, "likeness", None)
        if likeness is None:
            raise CannotAnswer(f"{self._name} does not compare items.")
        themselves = Ragged.of([[row] for row in items.tolist()])
        asked = Requests(torch.full_like(items, -1), Histories(themselves), exclude=themselves)
        with torch.inference_mode():
            return rank_scores(likeness(items), asked, k)

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """What each history item adds to the score of the answer, additions shared out: [n]"""
        contributions = getattr(self.network, "contributions", None)
        if contributions is None:
            raise CannotAnswer(f"{self._name} gives everybody the same reasons: none.")
        with torch.inference_mode():
            added = contributions(requests, items).clamp(min=0)
        rows, _ = requests.history.items.places()
        total = torch.zeros(len(items)).index_add(0, rows, added)
        return cast(Tensor, added / total[rows].clamp(min=1e-12))

    @property
    def _name(self) -> str:
        return type(self.method).__name__ if self.method else "This recommender"

    def _all(self, requests: Requests) -> Tensor:
        return cast(ScoreAll, self.network.score_all)(requests)

    def _blocks(self, count: int) -> list[slice]:
        """Requests whose scores take at most 16 MB; larger blocks are fresh memory each time."""
        size = max(1, 2**22 // max(len(self.catalog.items), 1))
        return [slice(at, at + size) for at in range(0, count, size)]
