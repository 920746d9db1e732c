"""Partition: who shares a shard, so that a model learned from one shard knows nobody else.

Both ways are those of Xin et al., "On the Effectiveness of Unlearning in Session-Based
Recommendation", WSDM 2024, arXiv:2312.14447; at random is SISA (Bourtoule et al., 2021).
"""

from abc import abstractmethod
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Spec
from tesserec.core.kernels import kernel
from tesserec.parts.semantic_ids.balanced import squared_distances
from tesserec.parts.semantic_ids.kmeans import means


class Partition(Spec):
    """Deals people out to shards."""

    reads_states: ClassVar[bool]  # or it is blind to what people did

    @abstractmethod
    def sides(self, states: Tensor, shards: int, generator: torch.Generator) -> Tensor:
        """A shard for each row: [n, D] -> [n]"""


class SimilarShards(Partition):
    """Balanced k-means: the nearest pairs of people and centres find each other first."""

    reads_states: ClassVar = True

    rounds: Annotated[int, Field(ge=1)] = 50
    slack: Annotated[int, Field(ge=0)] = 5  # people more than an even share that a shard takes

    def sides(self, states: Tensor, shards: int, generator: torch.Generator) -> Tensor:
        room = -(-len(states) // shards) + self.slack
        chosen = torch.randperm(len(states), generator=generator)[:shards]
        centres = states[chosen]
        side = torch.full((len(states),), -1)
        for _ in range(self.rounds):
            now = greedy(squared_distances(states, centres), room)
            if torch.equal(now, side):
                break
            side = now
            centres, _ = means(states, side, centres)
        return side


class RandomShards(Partition):
    """In an order drawn at random, in turn: sizes differ by one at most."""

    reads_states: ClassVar = False

    def sides(self, states: Tensor, shards: int, generator: torch.Generator) -> Tensor:
        side = torch.empty(len(states), dtype=torch.int64)
        side[torch.randperm(len(states), generator=generator)] = torch.arange(len(states)) % shards
        return side


def greedy(distance: Tensor, room: int) -> Tensor:
    """From the nearest pair on, whoever has no centre gets it if it has room: [n, K] -> [n]"""
    side = torch.full((len(distance),), -1)
    order = distance.flatten().argsort(stable=True)  # of equals the first
    _deal(order.numpy(), distance.shape[1], room, side.numpy())
    return side


@kernel()
def _deal(order, centres, room, side):  # type: ignore[no-untyped-def]
    taken = np.zeros(centres, np.int64)
    for pair in order:
        row, centre = pair // centres, pair % centres
        if side[row] < 0 and taken[centre] < room:
            side[row] = centre
            taken[centre] += 1
