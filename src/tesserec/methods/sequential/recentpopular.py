"""RecentPopular: everybody gets what most people chose lately.

Popularity of the last days (as in Ji et al., "A Re-visit of the Popularity Baseline in Recommender
Systems", SIGIR 2020), in a window or with a half-life. Often a much higher bar than Popular.
"""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Requests, Run
from tesserec.core.errors import NoOrder
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm

Positive = Annotated[float, Field(gt=0)]

DAY = 24 * 60 * 60  # seconds


class RecentPopular(ClosedForm):
    """Rank items by their latest training events."""

    needs: ClassVar = frozenset({"order"})

    days: Positive = 7.0  # before the last training event
    half_life_days: Positive | None = None  # in place of the window: an event fades by half
    events_per_user: Annotated[int, Field(ge=1)] = 5  # in place of days, where no time is known

    def network(self, data: Dataset) -> nn.Module:
        return Network(data)

    def check_data(self, data: Dataset) -> None:
        super().check_data(data)
        if self.half_life_days is not None and data.interactions.clock != "seconds":
            raise NoOrder(
                "half_life_days needs to know when events were, and these have only an order.",
                "Leave it out: the last events of each user are counted.",
            )

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        # Less than one event each: what is not met lately is ordered by all there ever was.
        ever = data.popularity / (data.popularity.sum() + 1)
        network.events.copy_(self._recent(data) + ever)  # type: ignore[operator,union-attr]

    def _recent(self, data: Dataset) -> Tensor:
        """How many events of late, or what is left of them: [I]"""
        count = len(data.catalog.items)
        if data.interactions.clock != "seconds":
            _, items = data.histories.items.last(self.events_per_user).pairs()
            return torch.bincount(items, minlength=count)
        time = data.interactions.column("time")
        age = (time.max() - time).double() / DAY
        if self.half_life_days is None:
            weight = (age <= self.days).double()
        else:
            weight = 0.5 ** (age / self.half_life_days)
        return torch.bincount(data.interactions.items, weight, minlength=count)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, data: Dataset) -> None:
        super().__init__()
        self.events: Tensor
        self.register_buffer("events", torch.zeros(len(data.catalog.items)))  # [I]

    def score_all(self, requests: Requests) -> Tensor:
        """[B, I]"""
        return self.events.expand(len(requests), -1)
