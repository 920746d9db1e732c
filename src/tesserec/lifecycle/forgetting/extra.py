"""Extra: what goes with a forgotten event, so that it cannot be told from what stays.

The three strategies are those of Xin et al., WSDM 2024, arXiv:2312.14447.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import polars as pl
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from tesserec.core import Dataset, Ragged, Spec


@dataclass(frozen=True, eq=False)
class Considered:
    """The events of sessions that an event is taken out of, session after session."""

    item: Tensor  # [m]
    target: Tensor  # [m] the item that is taken out of the event's session
    behind: Tensor  # [m] how many events before that one; below 0 for later ones
    vectors: Tensor  # [I, D] what items are compared by
    generator: torch.Generator


class Extra(Spec):
    """Chooses `count` more events of each session that an event is taken out of."""

    count: Annotated[int, Field(ge=0)] = 1  # k

    @abstractmethod
    def order(self, events: Considered) -> Tensor:
        """The higher, the sooner an event goes, and -inf for one that stays: [m]"""

    def chosen(
        self, sessions: Ragged, place: Tensor, vectors: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Which events of some sessions go besides the one at `place` [B] of each: [m] bool

        Of equals, the first goes first.
        """
        row, item = sessions.pairs()
        at = torch.arange(len(row)) - (sessions.lengths.cumsum(0) - sessions.lengths)[row]
        target = sessions.values[sessions.starts + place][row]
        behind = place[row] - at
        order = self.order(Considered(item, target, behind, vectors, generator)).double()
        order[behind == 0] = -torch.inf
        best = order.argsort(descending=True, stable=True)
        best = best[row[best].argsort(stable=True)]  # session after session
        number = torch.empty_like(row)
        number[best] = at  # sessions lie as before, so the n-th of each is at its n-th place
        return (number < self.count) & (order > -torch.inf)


class RED(Extra):
    """At random, from the whole session."""

    def order(self, events: Considered) -> Tensor:
        return torch.rand(len(events.item), generator=events.generator, dtype=torch.float64)


class NED(Extra):
    """Those just before the event."""

    def order(self, events: Considered) -> Tensor:
        return torch.where(events.behind > 0, -events.behind.double(), -torch.inf)


class CED(Extra):
    """Those of the items most like its own, by the size of the cosine of their vectors."""

    def order(self, events: Considered) -> Tensor:
        unit = functional.normalize(events.vectors.double(), dim=1)
        return (unit[events.item] * unit[events.target]).sum(1).abs()


def taken_out(
    data: Dataset,
    users: Tensor,
    place: Tensor,
    extra: Extra,
    vectors: Tensor,
    generator: torch.Generator,
) -> tuple[Dataset, Dataset]:
    """The data without the event at `place` of each of these users [B], and the events that went.

    Besides it go those that `extra` chooses, by these vectors of items. Nobody leaves.
    """
    sessions = data.histories.items[users]
    _, places = sessions.places()
    goes = extra.chosen(sessions, place, vectors, generator)
    row = np.argsort(data.interactions.frame["user"].to_numpy(), kind="stable")  # as in histories
    gone = np.zeros(len(row), bool)
    gone[row[torch.cat([places[goes], sessions.starts + place]).numpy()]] = True
    events = data.interactions
    return (
        replace(data, interactions=events.keep(pl.Series(~gone))),
        replace(data, interactions=events.keep(pl.Series(gone))),
    )
