"""Training steps one by one, made of the parts that `train` is made of."""

import math
import time
from collections.abc import Iterator
from typing import Any

from tesserec.core import Batch, Dataset, Run
from tesserec.training.devices import Trainer
from tesserec.training.learner import Learner


class Steps:
    """A learner about to be trained: network, batches and optimiser."""

    def __init__(self, method: Learner, data: Dataset, run: Run) -> None:
        self.method, self.data = method, method.prepare(data, run)
        with run.seeded("network"):
            self.network = method.network(self.data)
        batches, self.schedule = method.recipe()
        self.epochs = batches(self.data)
        self.generator = run.generator("batches")
        self.trainer = Trainer(self.network, run)
        self.optimizer = self.schedule.optimizer.over(self.network.parameters(), self.schedule.rate)
        self.network.train()
        self.left: Iterator[Batch] = iter(())
        self.last: Any = None

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
