"""LightGCN: average what the neighbours like (He et al., SIGIR 2020, arXiv:2002.02126)."""

from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Losses
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import PairBatch, Pairs
from tesserec.parts.graphs import Powers, bipartite, propagate, reach
from tesserec.parts.objectives import BPR, Objective, PairScores, pair_scores, picked, prepared
from tesserec.recommenders import LookupRecommender
from tesserec.training import Learner, Schedule


class LightGCN(Learner):
    """Spread id embeddings over the user-item graph, without weights or activations."""

    tiny: ClassVar = {
        "dim": 8,
        "layers": 2,
        "batches": {"size": 64},
        "schedule": {"epochs": 40, "rate": 0.05},
    }

    dim: Annotated[int, Field(ge=1)] = 64
    layers: Annotated[int, Field(ge=0)] = 3  # K, hops a preference travels
    hop_weights: tuple[float, ...] | None = None  # alpha_0..alpha_K in eq. 4; None: 1 / (K + 1)
    powers: Powers = (0.5, 0.5)  # of the degrees an edge is divided by, receiver and sender
    decay: float = 1e-4  # lambda in eq. 15, on layer 0
    objective: Objective = BPR()
    batches: Pairs = Pairs(size=2048, negatives=1)
    schedule: Schedule = Schedule(epochs=1000, rate=1e-3, patience=50)

    @model_validator(mode="after")
    def _check_hops(self) -> Self:
        if self.hop_weights is not None and len(self.hop_weights) != self.layers + 1:
            raise BadSpec(
                f"{self.layers} layers need {self.layers + 1} hop_weights, "
                f"and there are {len(self.hop_weights)}.",
                "Give one for each hop, from 0 on.",
            )
        return self

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return LookupRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, method: LightGCN, data: Dataset) -> None:
        super().__init__()
        self.method = method
        self.users = len(data.catalog.users)
        nodes = self.users + len(data.catalog.items)
        self.start = nn.Parameter(0.1 * torch.randn(nodes, method.dim))  # E^(0), users first
        self.hop_weights = method.hop_weights or (1 / (method.layers + 1),) * (method.layers + 1)
        self.graph = bipartite(data, method.powers)
        self.register_buffer("known", data.active)  # [U]

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Weighted sum over 0..K hops (eq. 4): [U, D], [I, D]"""
        nodes = propagate(self.graph, self.start, self.hop_weights)
        users, items = prepared(self.method.objective, nodes[: self.users], nodes[self.users :])
        return users, items

    def scores(self, batch: PairBatch) -> PairScores:
        """[E], [E, N]"""
        rows, nodes = batch.as_nodes(self.users, len(self.start))
        reached = propagate(self.graph, self.start, self.hop_weights, rows)
        return pair_scores(self.method.objective, picked(reached, reached, nodes), nodes)

    def loss(self, batch: PairBatch) -> Losses:
        """[E], and the decay of the layer-0 vectors touched."""
        rows, nodes = batch.as_nodes(self.users, len(self.start))
        reached, start = reach(self.graph, self.start, self.hop_weights, rows)
        scores = pair_scores(self.method.objective, picked(reached, reached, nodes), nodes)
        norm = picked(start, start, nodes).squared_norm()
        return Losses(self.method.objective(scores), {"decay": self.method.decay * norm})
