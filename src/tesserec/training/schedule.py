"""Schedule: how long to learn, how fast, and when to stop."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from tesserec.core import Spec
from tesserec.core.errors import BadSpec
from tesserec.evaluation.metrics import parse

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Optimizer(Spec):
    """How a gradient becomes a step."""

    @abstractmethod
    def over(self, parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        """A torch optimiser over these parameters."""


class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015); `weight_decay` is L2 in the gradient."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    weight_decay: float = 0.0

    def over(self, parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            parameters, rate, self.betas, self.epsilon, self.weight_decay, fused=True
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    weight_decay: float = 0.01
    decay_vectors: bool = True  # False: biases and what layers are normalised with stay as learned

    def over(self, parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        weights = list(parameters)
        groups: list[dict[str, Any]] = [{"params": weights}]
        if not self.decay_vectors:
            vectors = [one for one in weights if one.ndim < 2]
            groups = [
                {"params": [one for one in weights if one.ndim >= 2]},
                {"params": vectors, "weight_decay": 0.0},
            ]
        return torch.optim.AdamW(
            groups, rate, self.betas, self.epsilon, self.weight_decay, fused=True
        )


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for."""

    momentum: float = 0.0
    weight_decay: float = 0.0

    def over(self, parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters, rate, self.momentum, weight_decay=self.weight_decay, fused=True
        )


class Shape(Spec):
    """How the learning rate changes over the steps of a run."""

    warmup: Share = 0.0  # share of all steps in which the rate climbs from 0

    def at(self, progress: float) -> float:
        """The factor on the rate, `progress` being the share of steps already taken."""
        if progress < self.warmup:
            return progress / self.warmup
        return self.after((progress - self.warmup) / max(1 - self.warmup, 1e-9))

    @abstractmethod
    def after(self, progress: float) -> float:
        """The factor after the warm-up."""


class Constant(Shape):
    """The same rate throughout."""

    def after(self, progress: float) -> float:
        return 1.0


class Linear(Shape):
    """Down in a line to `least` times the rate."""

    least: Share = 0.0

    def after(self, progress: float) -> float:
        return 1 - (1 - self.least) * min(progress, 1.0)


class Cosine(Shape):
    """Down along half a cosine to `least` times the rate (Loshchilov and Hutter, ICLR 2017)."""

    least: Share = 0.0

    def after(self, progress: float) -> float:
        return self.least + (1 - self.least) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


class Schedule(Spec):
    """Epochs, optimiser, rate, patience, and the number to watch."""

    epochs: Count = 100
    rate: Positive = 1e-3
    optimizer: Optimizer = Adam()
    shape: Shape = Constant()
    clip: Positive | None = None  # longest gradient, by its norm
    metric: str = "ndcg@10"  # watched on the validation part
    every: Count = 1  # epochs between validations
    patience: Count | None = 10  # validations without gain before it stops; None: never

    @model_validator(mode="after")
    def _check_metric(self) -> Self:
        metrics = parse(self.metric)
        if len(metrics) != 1 or metrics[0].name == "logloss":
            raise BadSpec(
                f"schedule.metric = {self.metric!r} is not one number that is better when higher.",
                "Watch ndcg@10, recall@20 or auc.",
            )
        return self
