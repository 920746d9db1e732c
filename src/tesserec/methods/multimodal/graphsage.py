"""GraphSAGE: people and items are what their neighbours are, and what items are made of.

Hamilton, Ying and Leskovec, NeurIPS 2017, arXiv:1706.02216, in the form that MMGRec (Liu et al.,
arXiv:2404.16555) begins with: two layers of mean aggregation over the user-item graph, users with
free vectors and items with their contents, learned with BPR.
"""

from typing import Annotated, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Entities, Losses
from tesserec.core.errors import CannotAnswer, NoContent
from tesserec.parts.batches import PairBatch, Pairs
from tesserec.parts.graphs import Alone, Sage, bipartite
from tesserec.parts.negatives import Uniform
from tesserec.parts.networks import contents, width
from tesserec.parts.objectives import (
    BPR,
    Objective,
    PairScores,
    pair_losses,
    pair_scores,
    picked,
    prepared,
)
from tesserec.recommenders import LookupRecommender
from tesserec.training import Adam, Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class GraphSAGE(Learner):
    """Contents and free vectors of users, mixed along the user-item graph."""

    needs: ClassVar = frozenset({"vectors"})
    tiny: ClassVar = {
        "start": 8,
        "dim": 8,
        "batches": {"size": 64},
        "schedule": {"epochs": 40, "rate": 0.02},
    }

    start: Count = 128  # width of what nodes begin with, and of the first layer
    dim: Count = 64  # width of what they become
    dropout: tuple[Share, Share] = (0.5, 0.2)  # after each layer
    modalities: tuple[str, ...] | None = None  # item vectors that are read; None: all there are
    # Each content vector is made as long as a random one. The authors read them as they are, and
    # where one kind is much longer than the others it drowns them.
    scaled: bool = True
    own: bool = False  # items bring a free vector, too; MMGRec's code has none
    # Items that hear nothing of their neighbours in a step, so that new ones, which have none, are
    # placed among the others. The authors have none.
    lonely: Share = 0.0
    objective: Objective = BPR()
    # MMGRec's code looks at 3,000 triples a step, five negatives each, drawn once for all epochs.
    # New items are not among them here: that nobody chose them yet says nothing.
    batches: Pairs = Pairs(size=3000, negatives=5, sampler=Uniform(known=True))
    schedule: Schedule = Schedule(
        epochs=200,  # 60 in MMGRec's code, whose epochs have five times the steps
        rate=1e-3,
        optimizer=Adam(weight_decay=1e-6),
        patience=10,
        metric="recall@20",
    )

    def read(self, items: Entities) -> tuple[str, ...]:
        """The names of the vectors that are read. Raises `NoContent` where nothing tells items."""
        names = tuple(sorted(items.vectors)) if self.modalities is None else self.modalities
        if not names and not self.own:
            raise NoContent(
                "GraphSAGE knows items by what they are made of, and reads no vectors of these.",
                "Encode them first (`tesserec encode`), or set own = true.",
            )
        return names

    def alone(self, items: Entities) -> Alone:
        """What places new items by their content, with weights that are to be loaded."""
        names = self.read(items)
        fuse = nn.Linear(width(items, names), self.start, bias=False)
        sage = Sage((self.start, self.start, self.dim), self.dropout)
        return Alone(names, self.scaled, fuse, sage, self.objective.similarity == "cosine")

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return LookupRecommender(network, catalog)


class Network(nn.Module):
    """Nodes are users, then items."""

    def __init__(self, method: GraphSAGE, data: Dataset) -> None:
        super().__init__()
        self.objective, self.share = method.objective, method.lonely
        self.scaled = method.scaled
        users, items = data.catalog.users, data.catalog.items
        self.names = method.read(items)
        self.contents: Tensor
        self.register_buffer(
            "contents", contents(items, self.names, method.scaled), persistent=False
        )  # [I, W]
        self.fuse = nn.Linear(self.contents.shape[1], method.start, bias=False)  # W_f
        self.users = nn.Parameter(nn.init.xavier_uniform_(torch.empty(len(users), method.start)))
        self.own = None
        if method.own:
            self.own = nn.Parameter(nn.init.xavier_uniform_(torch.empty(len(items), method.start)))
        self.sage = Sage((method.start, method.start, method.dim), method.dropout)
        self.graph = bipartite(data, (1.0, 0.0))
        self.warm: Tensor
        self.register_buffer("known", data.active)  # [U]
        self.register_buffer("warm", data.popularity > 0)  # [I]

    def start(self) -> Tensor:
        """What nodes bring: [U + I, D]"""
        items = self.fuse(self.contents)
        if self.own is not None:
            # Of a new item nothing was learned.
            items = items + self.own * self.warm[:, None]
        return torch.cat([self.users, items])

    def vectors(self) -> tuple[Tensor, Tensor]:
        """[U, D], [I, D]"""
        nodes = self.sage(self.graph, self.start())
        users, items = prepared(self.objective, nodes[: len(self.users)], nodes[len(self.users) :])
        return users, items

    def place(self, items: Entities) -> Tensor:
        """Where content alone puts items: [n, D]. Raises `CannotAnswer` where none is read."""
        if not self.names:
            raise CannotAnswer(
                "This GraphSAGE knows items by events alone, and of new ones there are none.",
                "Fit with vectors: tesserec encode DATA --modality text",
            )
        return cast(Tensor, self.alone()(contents(items, self.names, self.scaled)))

    def alone(self) -> Alone:
        """What puts items that nobody chose where their content is."""
        unit = self.objective.similarity == "cosine"
        return Alone(self.names, self.scaled, self.fuse, self.sage, unit)

    def scores(self, batch: PairBatch) -> PairScores:
        """[E], [E, N]"""
        reached, nodes = self._reached(batch)
        return pair_scores(self.objective, picked(reached, reached, nodes), nodes)

    def loss(self, batch: PairBatch) -> Losses:
        """[E]"""
        reached, nodes = self._reached(batch)
        return Losses(pair_losses(self.objective, picked(reached, reached, nodes), nodes))

    def _reached(self, batch: PairBatch) -> tuple[Tensor, PairBatch]:
        """The vectors of the nodes a batch speaks of, and the batch with their places for rows."""
        rows, nodes = batch.as_nodes(len(self.users), len(self.graph))
        return self.sage(self.graph, self.start(), rows, self._lonely()), nodes

    def _lonely(self) -> Tensor | None:
        """Which nodes hear nothing of their neighbours in this step: [U + I]"""
        if not self.training or not self.share:
            return None
        drawn = torch.rand(len(self.graph), device=self.users.device) < self.share
        drawn[: len(self.users)] = False
        return drawn
