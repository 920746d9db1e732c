"""BM3: bootstrapped multi-modal recommendation (Zhou et al., WWW 2023, arXiv:2207.05969).

No negatives: a vector and a dropped-out, detached copy of what it should agree with are drawn
together, through one shared predictor, between users and items and between an item's id vector
and its contents.
"""

from typing import Annotated, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset, Entities, Losses
from tesserec.core.data import BLOCK
from tesserec.core.errors import NoContent
from tesserec.parts.batches import PairBatch, Pairs
from tesserec.parts.graphs import bipartite, propagate
from tesserec.parts.networks import Features
from tesserec.parts.pick import pick
from tesserec.recommenders import LookupRecommender
from tesserec.training import Learner, Schedule

Share = Annotated[float, Field(ge=0, lt=1)]


class BM3(Learner):
    """LightGCN vectors that agree with what items are made of, learned from positives alone."""

    needs: ClassVar = frozenset({"vectors"})
    tiny: ClassVar = {
        "dim": 8,
        "batches": {"size": 64},
        "schedule": {"epochs": 60, "rate": 0.02},
        "dropout": 0.3,
    }

    dim: Annotated[int, Field(ge=1)] = 64
    layers: Annotated[int, Field(ge=0)] = 1  # L
    dropout: Share = 0.5  # p, on the targets only
    content_weight: float = 2.0  # cl_weight: of both content terms together
    alignment: float = 1.0  # factor of the inter-modality term; 0 leaves it out
    masking: float = 1.0  # factor of the intra-modality term; 0 leaves it out
    decay: float = 0.1  # reg_weight, on un-squared norms over all nodes
    train_features: bool = True  # the content tables are learned on, as in the authors' code
    batches: Pairs = Pairs(size=2048, negatives=0)
    schedule: Schedule = Schedule(epochs=1000, rate=1e-3, patience=20, metric="recall@20")

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return LookupRecommender(network, catalog)


class Network(nn.Module):
    def __init__(self, method: BM3, data: Dataset) -> None:
        super().__init__()
        self.method = method
        if not data.catalog.items.vectors:
            raise NoContent(
                "BM3 compares items with what they are made of, and these items have no vectors.",
                "Encode them first: tesserec encode DATA --modality text",
            )
        users, items = len(data.catalog.users), len(data.catalog.items)
        self.users = nn.Parameter(nn.init.xavier_uniform_(torch.empty(users, method.dim)))
        self.items = nn.Parameter(nn.init.xavier_uniform_(torch.empty(items, method.dim)))
        self.features = Features(data.catalog.items, method.train_features)
        self.projections = nn.ModuleDict(
            {name: _linear(self.features.width(name), method.dim) for name in self.features.names}
        )
        self.predictor = _linear(method.dim, method.dim)
        self.graph = bipartite(data)
        self.hop_weights = (1 / (method.layers + 1),) * (method.layers + 1)
        self.register_buffer("known", data.active)  # [U]
        self.warm: Tensor
        self.register_buffer("warm", data.popularity > 0)  # [I]

    def nodes(self) -> tuple[Tensor, Tensor]:
        """Propagated users, and propagated items plus their own id vectors: [U, D], [I, D]"""
        start = torch.cat([self.users, self.items])
        nodes = propagate(self.graph, start, self.hop_weights)
        users, items = nodes[: len(self.users)], nodes[len(self.users) :]
        return users, items + self.items

    def vectors(self) -> tuple[Tensor, Tensor]:
        """The predictor's view of both; items without events are placed by their content."""
        users, items = self.nodes()
        seen = self.predictor(items)
        cold = (~self.warm & self.features.present.any(0)).nonzero()[:, 0]
        for rows in cold.split(BLOCK):
            there = self.features.present[:, rows]
            seen = seen.index_copy(0, rows, self._placed(self._contents(rows), there))
        return self.predictor(users), seen

    def place(self, items: Entities) -> Tensor:
        """Where content alone puts items: the mean over what is present: [n, D]"""
        names = [name for name in self.features.names if name in items.vectors]
        if not names:
            raise NoContent(
                f"BM3 reads item vectors {', '.join(self.features.names)}, and there are none.",
                "Encode new items as the old ones were.",
            )
        contents = [self.projections[name](items.vectors[name].float()) for name in names]
        return self._placed(contents, torch.stack([items.present(name) for name in names]))

    def _placed(self, contents: list[Tensor], present: Tensor) -> Tensor:
        """M x [n, D], [M, n] -> [n, D]"""
        there = present.float()[:, :, None]
        views = torch.stack([self.predictor(content) for content in contents])
        return (views * there).sum(0) / there.sum(0).clamp(min=1)

    def loss(self, batch: PairBatch) -> Losses:
        """[E], and the norm of all nodes."""
        users, items = self.nodes()
        user, item = pick(users, batch.user), pick(items, batch.positive)
        wanted_user, wanted_item = self._target(user), self._target(item)
        seen_user, seen_item = self.predictor(user), self.predictor(item)
        each = _distance(seen_user, wanted_item) + _distance(seen_item, wanted_user)
        if self.method.content_weight:
            each = each + self.method.content_weight * self._content_loss(batch, wanted_item)
        norm = (users.norm() + items.norm()) / len(items)
        return Losses(each, {"decay": self.method.decay * norm})

    def _content_loss(self, batch: PairBatch, wanted_item: Tensor) -> Tensor:
        """Contents agree with the item (align) and with a dropped-out self (mask): [E]"""
        total = torch.zeros(len(batch), device=wanted_item.device)
        for number, content in enumerate(self._contents(batch.positive)):
            view = self.predictor(content)
            align = self.method.alignment * _distance(view, wanted_item)
            mask = self.method.masking * _distance(view, self._target(content))
            total = total + self.features.present[number, batch.positive] * (align + mask)
        return total

    def _contents(self, items: Tensor) -> list[Tensor]:
        """Projected content of some items, one table per modality: M x [n, D]"""
        return [
            cast(Tensor, self.projections[name](self.features.rows(name, items)))
            for name in self.features.names
        ]

    def _target(self, vector: Tensor) -> Tensor:
        """What another vector should agree with: dropped out, and out of reach of the gradient."""
        return functional.dropout(vector.detach(), self.method.dropout, self.training)


def _linear(inner: int, outer: int) -> nn.Linear:
    layer = nn.Linear(inner, outer)
    nn.init.xavier_normal_(layer.weight)
    return layer


def _distance(seen: Tensor, wanted: Tensor) -> Tensor:
    """1 - cosine: [E, D], [E, D] -> [E]"""
    return 1 - functional.cosine_similarity(seen, wanted, dim=-1)
