"""MF: matrix factorisation for ranking (Rendle et al., UAI 2009, arXiv:1205.2618)."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Losses
from tesserec.parts.batches import PairBatch, Pairs
from tesserec.parts.objectives import BPR, Objective, PairScores, pair_scores, picked, prepared
from tesserec.recommenders import LookupRecommender
from tesserec.training import Learner, Schedule


class MF(Learner):
    """A vector per user and per item; BPR by default, any objective over pairs by choice."""

    tiny: ClassVar = {"dim": 8, "batches": {"size": 64}, "schedule": {"epochs": 60, "rate": 0.05}}

    dim: Annotated[int, Field(ge=1)] = 64
    decay: float = 1e-4  # lambda, on the vectors a batch touches
    objective: Objective = BPR()
    batches: Pairs = Pairs(size=2048, negatives=1)
    schedule: Schedule = Schedule(epochs=1000, rate=1e-3, patience=50)

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return LookupRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, method: MF, data: Dataset) -> None:
        super().__init__()
        self.method = method
        self.users = nn.Parameter(0.1 * torch.randn(len(data.catalog.users), method.dim))
        self.items = nn.Parameter(0.1 * torch.randn(len(data.catalog.items), method.dim))
        self.register_buffer("known", data.active)  # [U]

    def vectors(self) -> tuple[Tensor, Tensor]:
        """[U, D], [I, D]"""
        users, items = prepared(self.method.objective, self.users, self.items)
        return users, items

    def scores(self, batch: PairBatch) -> PairScores:
        """[E], [E, N]"""
        return pair_scores(self.method.objective, picked(self.users, self.items, batch), batch)

    def loss(self, batch: PairBatch) -> Losses:
        """[E], and the decay of the vectors touched."""
        vectors = picked(self.users, self.items, batch)
        each = self.method.objective(pair_scores(self.method.objective, vectors, batch))
        return Losses(each, {"decay": self.method.decay * vectors.squared_norm()})
