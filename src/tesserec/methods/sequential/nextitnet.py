"""NextItNet: dilated convolutions over what somebody chose say what comes next.

Yuan et al., "A Simple Convolutional Generative Network for Next Item Recommendation", WSDM 2019,
arXiv:1808.05163.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset
from tesserec.parts.batches import Packed, Sequences
from tesserec.parts.linear import Layer, filled
from tesserec.parts.negatives import Everything
from tesserec.parts.objectives import Objective, Softmax
from tesserec.parts.sequences import ItemTable, Learned, NextItem
from tesserec.recommenders import EncoderRecommender
from tesserec.training import Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class NextItNet(Learner):
    """Blocks of two causal convolutions each look further back, without a step for every event."""

    tiny: ClassVar = {
        "dim": 16,
        "dropout": 0.0,
        "dilations": [1],
        "batches": {"size": 20, "length": 10},
        "schedule": {"epochs": 40, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order"})

    dim: Count = 64  # channels, and width of the item vectors
    dilations: tuple[Count, ...] = (1, 2, 1, 2, 1, 2)  # l, of each block's first convolution
    doubled: bool = True  # the second convolution of a block has 2 l
    kernel: Annotated[int, Field(ge=2)] = 3  # events a convolution looks at
    residual: bool = True  # what a block reads is added to what it makes
    dropout: Share = 0.0  # of what is read; the paper has none
    items: ItemTable = Learned()
    apart: bool = True  # answers have a table of their own
    bias: bool = True  # of each item
    objective: Objective = Softmax(temperature=1.0, cosine=False)
    batches: Sequences = Sequences(size=128, length=50, stride=50, sampler=Everything())
    schedule: Schedule = Schedule(epochs=200, rate=1e-3, patience=10)

    def network(self, data: Dataset) -> nn.Module:
        return NextItem(
            data,
            dim=self.dim,
            longest=self.batches.length,
            reader=Convolutions(self),
            objective=self.objective,
            items=self.items,
            dropout=self.dropout,
            apart=self.apart,
            bias=self.bias,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)


class Convolutions(nn.Module):
    """Residual blocks; [T, D] -> [T, D]."""

    def __init__(self, method: NextItNet) -> None:
        super().__init__()
        self.blocks: Iterable[Any] = nn.ModuleList(Block(method, one) for one in method.dilations)

    def forward(
        self, values: Tensor, packed: Packed, memories: list[Tensor] | None = None
    ) -> Tensor:
        """The state after each event: [T, D] -> [T, D]. Fills `memories` if there is a list."""
        for block in self.blocks:
            values = block(values, packed, memories)
        return values

    def further(self, values: Tensor, memories: list[Tensor]) -> Tensor:
        """One event more for each sequence, after what the memories hold: [S, D] -> [S, D]

        The memories then hold it, too.
        """
        place = 0
        for block in self.blocks:
            made = values
            for layer in block.layers:
                made, memories[place] = layer.further(made, memories[place])
                place += 1
            values = values + made if block.residual else made
        return values


class Block(nn.Module):
    """Two convolutions, and what was read passes by (figure 3b of the paper)."""

    def __init__(self, method: NextItNet, dilation: int) -> None:
        super().__init__()
        second = 2 * dilation if method.doubled else dilation
        self.residual = method.residual
        self.layers: Iterable[Any] = nn.ModuleList(
            Convolution(method.dim, method.kernel, one) for one in (dilation, second)
        )

    def forward(self, values: Tensor, packed: Packed, memories: list[Tensor] | None) -> Tensor:
        """[T, D] -> [T, D]"""
        made = values
        for layer in self.layers:
            if memories is not None:
                memories.append(layer.remembered(made, packed))
            made = layer(made, packed)
        return values + made if self.residual else made


class Convolution(nn.Module):
    """An event and those 1, 2, ... dilations before it, mixed, normalised and cut off below 0."""

    def __init__(self, dim: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.back = [tap * dilation for tap in range(kernel)]
        self.mix = Layer(kernel * dim, dim)
        # Sums over new item vectors are about as small as the usual epsilon, which would hide them.
        self.norm = nn.LayerNorm(dim, eps=1e-8)
        nn.init.trunc_normal_(self.mix.weight, std=0.02, a=-0.04, b=0.04)
        nn.init.zeros_(self.mix.bias)

    def forward(self, values: Tensor, packed: Packed) -> Tensor:
        """[T, D] -> [T, D]"""
        return self._mixed([packed.earlier(values, steps) for steps in self.back])

    def remembered(self, values: Tensor, packed: Packed) -> Tensor:
        """The last events, which those to come will look at, latest first: [S, R, D]"""
        last = packed.ends - 1
        return torch.stack([packed.earlier(values, n)[last] for n in range(self.back[-1])], 1)

    def further(self, values: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[S, D], [S, R, D] -> [S, D], and the memory with this event: [S, R, D]"""
        memory = torch.cat([values[:, None], memory], 1)
        return self._mixed([memory[:, steps] for steps in self.back]), memory[:, :-1]

    def _mixed(self, taps: list[Tensor]) -> Tensor:
        mixed = self.mix(filled(torch.cat(taps, 1)))[: taps[0].shape[0]]
        return functional.relu(self.norm(mixed))
