"""GRU4Rec: a gated recurrent unit reads what somebody chose, and its state says what comes next.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016,
arXiv:1511.06939. Negatives by popularity and one table for both ends are of Hidasi and Karatzoglou,
"Recurrent Neural Networks with Top-k Gains for Session-based Recommendations", CIKM 2018,
arXiv:1706.03847, and of the authors' code.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset
from tesserec.parts.batches import Packed, Sequences
from tesserec.parts.negatives import Everything
from tesserec.parts.objectives import Objective, Softmax
from tesserec.parts.sequences import Drop, ItemTable, Learned, NextItem
from tesserec.recommenders import EncoderRecommender
from tesserec.training import Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class GRU4Rec(Learner):
    """The hidden state after each event is compared with every item.

    The authors sample the softmax: `batches.sampler = ByPopularity(power=0.2)` with
    `batches.negatives = 2048`, corrected for how often an item is drawn. That is the faster way
    where the catalogue is large.
    """

    tiny: ClassVar = {
        "dim": 16,
        "dropout": 0.0,
        "batches": {"size": 20, "length": 10},
        "schedule": {"epochs": 40, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order"})

    dim: Count = 100  # units, and width of the item vectors; the authors search 64 to 512
    layers: Count = 1
    dropout: Share = 0.25  # of what is read; the authors search 0 to 0.5
    hidden_dropout: Share = 0.2  # of what a layer says; the authors search 0 to 0.7
    items: ItemTable = Learned()
    apart: bool = False  # answers have a table of their own; false is "constrained" in their code
    bias: bool = True  # of each item
    objective: Objective = Softmax(temperature=1.0, cosine=False)
    batches: Sequences = Sequences(size=128, length=50, stride=50, sampler=Everything())
    # The authors take Adagrad with rates of 0.01 to 0.25 for about 10 passes over many sessions.
    schedule: Schedule = Schedule(epochs=200, rate=1e-3, patience=20)

    def network(self, data: Dataset) -> nn.Module:
        return NextItem(
            data,
            dim=self.dim,
            longest=self.batches.length,
            reader=Recurrent(self.dim, self.layers, self.hidden_dropout),
            objective=self.objective,
            items=self.items,
            dropout=self.dropout,
            apart=self.apart,
            bias=self.bias,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)


class Recurrent(nn.Module):
    """Layers of gated recurrent units; [T, D] -> [T, D]."""

    def __init__(self, dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers: Iterable[Any] = nn.ModuleList(
            nn.GRU(dim, dim, batch_first=True) for _ in range(layers)
        )
        self.drop = Drop(dropout)

    def forward(
        self, values: Tensor, packed: Packed, memories: list[Tensor] | None = None
    ) -> Tensor:
        """The state after each event: [T, D] -> [T, D]. Fills `memories` if there is a list."""
        for layer in self.layers:
            values = packed.joined([layer(table)[0] for table in packed.padded(values)])
            if memories is not None:
                memories.append(values[packed.ends - 1])  # [S, D]
            values = self.drop(values)
        return values

    def further(self, values: Tensor, memories: list[Tensor]) -> Tensor:
        """One event more for each sequence, after what the memories hold: [S, D] -> [S, D]

        The memories then hold it, too.
        """
        for number, layer in enumerate(self.layers):
            values = layer(values[:, None], memories[number][None])[0][:, 0]
            memories[number] = values
            values = self.drop(values)
        return values
