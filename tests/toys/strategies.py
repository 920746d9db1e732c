"""A toy strategy that holds a method, remembers something of each event, and counts its steps."""

import torch
from torch import Tensor, nn

from tesserec.core import Dataset, Losses
from tesserec.parts.batches import PairBatch
from tesserec.training import Around, Learner, Strategy
from tesserec.training.devices import gather


class Remembering(Strategy):
    """Leave out the events whose losses, averaged over the epochs so far, are the highest."""

    method: Learner
    drop: float = 0.3  # share left out
    memory: float = 0.5  # how much of an average is old

    def around(self, network: nn.Module, data: Dataset) -> nn.Module:
        return Network(self, network, len(data.interactions))


class Network(Around):
    def __init__(self, strategy: Remembering, inner: nn.Module, events: int) -> None:
        super().__init__(inner)
        self.strategy = strategy
        self.remembered: Tensor
        self.steps: Tensor
        self.register_buffer("remembered", torch.zeros(events))  # [n] beside the events
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: PairBatch) -> Losses:
        losses = super().loss(batch)
        old, new = self.remembered[batch.row], losses.each.detach()
        average = self.strategy.memory * old + (1 - self.strategy.memory) * new
        everywhere = gather(average)  # of the whole batch, whoever computed it
        self.remembered[gather(batch.row)] = everywhere
        return losses.weighted(average <= everywhere.quantile(1 - self.strategy.drop))

    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Called by the loop after each step."""
        self.steps += 1
