"""SASRec: self-attention over what somebody chose says what comes next.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, arXiv:1808.09781.
"""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from tesserec.core import Answering, Catalog, Dataset
from tesserec.parts.batches import Sequences
from tesserec.parts.objectives import BCE, Objective
from tesserec.parts.sequences import ItemTable, Learned, NextItem, Norm, Transformer
from tesserec.parts.sequences.nextitem import Counted
from tesserec.recommenders import EncoderRecommender
from tesserec.training import Adam, Learner, Schedule

Share = Annotated[float, Field(ge=0, lt=1)]


class SASRec(Learner):
    """A causal Transformer reads a history; the state after each event tells the next one."""

    tiny: ClassVar = {
        "dim": 16,
        "dropout": 0.0,
        "positions": "start",
        # Negatives of BCE are none of a person's own items, so it does not tell which comes first.
        "objective": {"kind": "Softmax", "temperature": 1.0, "cosine": False},
        "batches": {"size": 20, "length": 10, "sampler": {"kind": "Everything"}},
        "schedule": {"epochs": 40, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order"})

    dim: Annotated[int, Field(ge=1)] = 50  # d
    blocks: Annotated[int, Field(ge=0)] = 2  # b
    heads: Annotated[int, Field(ge=1)] = 1
    inner: int | None = None  # width of the network inside a block; None: dim
    dropout: Share = 0.5  # the paper's for sparse data; 0.2 for MovieLens
    norm: Norm = "pre"  # the authors' code has "original", which ports found worse
    positions: Counted = "end"
    items: ItemTable = Learned()
    apart: bool = False  # answers have a table of their own
    objective: Objective = BCE()
    batches: Sequences = Sequences(size=128, length=50, negatives=1)
    schedule: Schedule = Schedule(
        epochs=201, rate=1e-3, optimizer=Adam(betas=(0.9, 0.98)), patience=20
    )

    def network(self, data: Dataset) -> nn.Module:
        inner = self.inner or self.dim
        reader = Transformer(self.dim, self.blocks, self.heads, inner, self.dropout, self.norm)
        return NextItem(
            data,
            dim=self.dim,
            longest=self.batches.length,
            reader=reader,
            objective=self.objective,
            items=self.items,
            dropout=self.dropout,
            positions=self.positions,
            scale=self.dim**0.5,
            apart=self.apart,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)
