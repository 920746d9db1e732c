"""PostDecoder: a decoder that normalises after each sum, with sines for places.

Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762, without biases. What
T5 leaves out of the products, their scale, is in the weights they begin with.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tesserec.parts.batches.packed import Packed
from tesserec.parts.generation.state import Seen, State
from tesserec.parts.generation.t5 import Attention, Inner
from tesserec.parts.linear import filled
from tesserec.parts.sequences.drop import Drop


def sinusoids(count: int, dim: int) -> Tensor:
    """Sines and cosines of each place, the wavelengths growing: [count, D]"""
    rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angles = torch.arange(count)[:, None] * rates  # [count, D / 2, rounded up]
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :dim]


class PostLayer(nn.Module):
    """A look at what was written, a look at what was read, then two layers."""

    def __init__(self, dim: int, heads: int, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.own = Attention(dim, heads, width, 0.0)
        self.other = Attention(dim, heads, width, 0.0)
        self.inner = Inner(dim, inner, 0.0)
        self.before, self.between, self.behind = (nn.LayerNorm(dim) for _ in range(3))
        self.drop = Drop(dropout)

    def forward(self, values: Tensor, mask: Tensor, seen: list[Seen]) -> Tensor:
        """[S, L, D] -> [S, L, D]"""
        return self._after(values, self.own.earlier(values, mask), seen)

    def latest(self, values: Tensor, own: list[Tensor], mask: Tensor, seen: list[Seen]) -> Tensor:
        """One token more: [S, W, D] -> [S, W, D]"""
        return self._after(values, self.own.latest(values, own, mask), seen)

    def _after(self, values: Tensor, written: Tensor, seen: list[Seen]) -> Tensor:
        values = self.before(values + self.drop(written))
        values = self.between(values + self.drop(self.other.across(values, seen)))
        return self.behind(values + self.inner(values))  # type: ignore[no-any-return]


class PostDecoder(nn.Module):
    """Writes token after token, looking at what was read."""

    def __init__(
        self,
        dim: int,
        layers: int,
        heads: int,
        width: int,
        inner: int,
        dropout: float,
        levels: int,
    ) -> None:
        super().__init__()
        self.layers: Iterable[Any] = nn.ModuleList(
            PostLayer(dim, heads, width, inner, dropout) for _ in range(layers)
        )
        self.drop = Drop(dropout)
        self.places: Tensor
        self.register_buffer("places", sinusoids(levels, dim))  # [L, D]

    def forward(self, values: Tensor, memory: Tensor, packed: Packed) -> Tensor:
        """The state before each token of a whole id: [S, L, D] -> [S, L, D]"""
        count = values.shape[1]
        later = torch.ones(count, count, dtype=torch.bool, device=values.device).triu(1)
        mask = values.new_zeros(1, count, count).masked_fill(later, -torch.inf)
        values = self.drop(values + self.places[:count])
        memory = filled(memory)
        for layer in self.layers:
            values = layer(values, mask, layer.other.looked_at(memory, packed))
        return values

    def begin(self, memory: Tensor, packed: Packed) -> State:
        """Nothing written yet."""
        memory = filled(memory)
        return State([layer.other.looked_at(memory, packed) for layer in self.layers])

    def latest(self, values: Tensor, state: State) -> Tensor:
        """The state of each beam after one token more: [S, W, D] -> [S, W, D]"""
        values = values + self.places[state.level]
        mask = values.new_zeros(1, 1, state.level + 1)
        for layer, own, seen in zip(self.layers, state.own, state.seen, strict=True):
            values = layer.latest(values, own, mask, seen)
        state.level += 1
        return values
