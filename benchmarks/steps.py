"""Training steps one by one, made of the parts that `train` is made of."""

import math
import time
from collections.abc import Iterator
from typing import Any

from torch import nn

from tesserec.core import Batch, Dataset, Epochs, Run
from tesserec.core.memory import keep_freed
from tesserec.training import Schedule
from tesserec.training.devices import Trainer
from tesserec.training.learner import Learner


class Loop:
    """A network about to be trained: batches and optimiser."""

    def __init__(self, network: nn.Module, epochs: Epochs, schedule: Schedule, run: Run) -> None:
        keep_freed()  # as `train` does
        self.network, self.epochs, self.schedule = network, epochs, schedule
        self.generator = run.generator("batches")
        self.trainer = Trainer(network, run)
        self.optimizer = schedule.optimizer.over(network.parameters(), schedule.rate)
        self.network.train()
        self.left: Iterator[Batch] = iter(())
        self.last: Any = None
        self.count = 0

    def step(self) -> float:
        """One step; returns its seconds, the draw of the batch included."""
        began = time.perf_counter()
        batch = next(self.left, None)
        if batch is None:
            self.left = self.epochs(self.generator)
            batch = next(self.left)
        self.take(batch)
        return time.perf_counter() - began

    def epoch(self) -> float:
        """One pass; returns its seconds."""
        began = time.perf_counter()
        for batch in self.epochs(self.generator):
            self.take(batch)
        return time.perf_counter() - began

    def take(self, batch: Batch) -> None:
        """What `train` does with a batch."""
        self.last = batch
        share, part = self.trainer.share(batch)
        loss, _ = self.trainer.loss(share, part)
        if not math.isfinite(self.trainer.mean(loss)):
            raise RuntimeError("the loss is not finite")
        self.trainer.step(self.optimizer, loss, self.schedule.clip)
        stepped = getattr(self.network, "stepped", None)
        if stepped is not None:
            stepped(self.optimizer, self.count)
        self.count += 1


class Steps(Loop):
    """A learner about to be trained."""

    def __init__(self, method: Learner, data: Dataset, run: Run) -> None:
        self.method, self.data = method, method.prepare(data, run)
        with run.seeded("network"):
            network = method.network(self.data)
        batches, schedule = method.recipe()
        super().__init__(network, batches(self.data), schedule, run)
