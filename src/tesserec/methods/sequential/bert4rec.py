"""BERT4Rec: what was hidden in a history is told from what stands on both sides of it.

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
Transformer", CIKM 2019, arXiv:1904.06690.
"""

from typing import Annotated, Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset, Entities, Losses, Requests
from tesserec.parts.batches import Cloze, Packed, SequenceBatch
from tesserec.parts.linear import Layer
from tesserec.parts.objectives import (
    Objective,
    PairScores,
    Picked,
    Softmax,
    pair_losses,
    pair_scores,
    paired,
    prepared,
)
from tesserec.parts.pick import pick
from tesserec.parts.sequences import Drop, ItemTable, Learned, Places, Transformer
from tesserec.parts.sequences.nextitem import Counted
from tesserec.recommenders import EncoderRecommender
from tesserec.training import AdamW, Learner, Linear, Schedule

Share = Annotated[float, Field(ge=0, lt=1)]

DEVIATION, EPSILON = 0.02, 1e-12  # of random weights; of layer normalisation


class BERT4Rec(Learner):
    """A Transformer that looks both ways fills gaps; the gap after the last event comes next."""

    tiny: ClassVar = {
        "dim": 16,
        "dropout": 0.0,
        "positions": "end",
        # Gaps with both sides known teach little of what is asked; pairs teach it at once.
        "batches": {"size": 60, "length": 2, "stride": 1, "last": 0.5},
        "schedule": {"epochs": 30, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order"})

    dim: Annotated[int, Field(ge=1)] = 64  # d
    blocks: Annotated[int, Field(ge=0)] = 2  # L
    heads: Annotated[int, Field(ge=1)] = 2  # h
    inner: int | None = None  # width of the network inside a block; None: 4 dim
    dropout: Share = 0.2  # MovieLens; the authors' files say 0.5 for Beauty, 0.1 for Steam
    positions: Counted = "start"
    items: ItemTable = Learned()
    objective: Objective = Softmax(temperature=1.0, cosine=False)  # eq. 8, over all items
    # rho 0.6 is for sparse data; MovieLens has length 200, share 0.2, most 40, stride 100.
    batches: Cloze = Cloze(size=256, length=50, share=0.6, most=30, stride=5)
    # The authors take 400,000 steps of rate 1e-4 and hold nothing out; 1e-3 is common elsewhere.
    # 200 passes are what can be waited for: 18,000 steps on Beauty, of which 0.5 % are about 100.
    schedule: Schedule = Schedule(
        epochs=200,
        rate=1e-4,
        optimizer=AdamW(epsilon=1e-6, weight_decay=0.01, decay_vectors=False),
        shape=Linear(warmup=0.005),
        clip=5.0,
        patience=20,
    )

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)


class Network(nn.Module):
    """Items and [MASK], which is item I; a reader; a head; and a bias for each item."""

    popularity: Tensor

    def __init__(self, method: BERT4Rec, data: Dataset) -> None:
        super().__init__()
        dim, self.longest = method.dim, method.batches.length
        self.objective = method.objective
        self.items = method.items.over(data, dim)
        self.mask = nn.Parameter(DEVIATION * torch.randn(1, dim))
        self.places = Places(self.longest, dim, method.positions, DEVIATION)
        self.norm, self.drop = nn.LayerNorm(dim, EPSILON), Drop(method.dropout)
        self.reader = Transformer(
            dim,
            method.blocks,
            method.heads,
            method.inner or 4 * dim,
            method.dropout,
            norm="post",
            activation="gelu",
            causal=False,
            epsilon=EPSILON,
            inside=False,
        )
        self.head = nn.Sequential(Layer(dim, dim), nn.GELU(), nn.LayerNorm(dim, EPSILON))
        self.bias = nn.Parameter(torch.zeros(len(data.catalog.items)))
        for part in (*self.reader.modules(), *self.head):
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, 0, DEVIATION, -2 * DEVIATION, 2 * DEVIATION)
                nn.init.zeros_(part.bias)
        self.register_buffer("popularity", data.popularity.float())  # [I] what strangers get

    def input_vectors(self) -> Tensor:
        """What histories are read with, [MASK] last: [I + 1, D]"""
        return torch.cat([self.items(), self.mask])

    def item_vectors(self) -> Tensor:
        """What answers are compared with: [I, D + 1]"""
        return cast(Tensor, prepared(self.objective, self._answers(self.input_vectors())))

    def place(self, items: Entities) -> Tensor:
        """Where content alone puts items, with the mean bias: [n, D + 1]. Raises `CannotAnswer`."""
        bias = self.bias.mean().expand(len(items), 1)
        placed = torch.cat([self.place_inputs(items), bias], 1)
        return cast(Tensor, prepared(self.objective, placed))

    def place_inputs(self, items: Entities) -> Tensor:
        """What histories with such items are read with: [n, D]. Raises `CannotAnswer`."""
        return cast(Tensor, cast(Any, self.items).place(items))

    def take_in(self, items: Entities) -> None:
        """The last items are these."""
        self.bias.data[-len(items) :] = self.bias.data[: -len(items)].mean()

    def encode(self, requests: Requests, inputs: Tensor) -> Tensor:
        """A query per request, each with a history: [B, D + 1]"""
        packed, order = Packed.of(requests.history, self.longest - 1)
        asked = _followed(packed.to(inputs.device), by=len(inputs) - 1)
        found = self._queries(self.reader.ends(self.entered(asked, inputs), asked))
        queries = torch.empty_like(found)
        queries[order.to(found.device)] = found
        return cast(Tensor, prepared(self.objective, queries))

    def entered(self, packed: Packed, inputs: Tensor) -> Tensor:
        """What the reader reads: [T, D]"""
        return cast(Tensor, self.drop(self.norm(self.places(pick(inputs, packed.items), packed))))

    def states(self, batch: SequenceBatch) -> Tensor:
        """The state each example is told from: [E, D]"""
        return self._told(batch, self.input_vectors())

    def scores(self, batch: SequenceBatch) -> PairScores:
        """[E], [E, N]"""
        return pair_scores(self.objective, self._picked(batch), batch)

    def loss(self, batch: SequenceBatch) -> Losses:
        """[E]"""
        return Losses(pair_losses(self.objective, self._picked(batch), batch))

    def _picked(self, batch: SequenceBatch) -> Picked:
        inputs = self.input_vectors()
        return paired(self._queries(self._told(batch, inputs)), self._answers(inputs), batch)

    def _told(self, batch: SequenceBatch, inputs: Tensor) -> Tensor:
        place = batch.place
        assert place is not None, "a cloze says where events are hidden"
        return self.reader.at(self.entered(batch.events, inputs), batch.events, place)

    def _queries(self, states: Tensor) -> Tensor:
        """[E, D] -> [E, D + 1]"""
        return functional.pad(self.head(states), (0, 1), value=1.0)

    def _answers(self, inputs: Tensor) -> Tensor:
        """[I + 1, D] -> [I, D + 1]"""
        # z E^T + b is one product: the bias is a column, against which a query has a 1.
        return torch.cat([inputs[:-1], self.bias[:, None]], 1)


def _followed(packed: Packed, by: int) -> Packed:
    """The same sequences, each with one item more at its end."""
    items = packed.items.new_full((len(packed.items) + len(packed),), by)
    items[torch.arange(len(packed.items), device=items.device) + packed.sequence] = packed.items
    return Packed(items, packed.lengths + 1)
