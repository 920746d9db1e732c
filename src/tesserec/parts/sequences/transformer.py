"""Transformer: blocks of attention and a position-wise network over packed sequences.

Attention runs group by group through `scaled_dot_product_attention`, the rest on all events at
once. Dropout of attention weights would keep torch from its fast kernels; what is dropped instead
is an event's whole value, for all that look at it (docs/design/decisions/0013-packed-sequences.md).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core.errors import BadSpec
from tesserec.parts.batches.packed import Group, Packed
from tesserec.parts.linear import Layer, filled, linear
from tesserec.parts.pick import pick
from tesserec.parts.sequences.drop import Drop

Norm = Literal["original", "pre", "post"]
"""Where layers are normalised. `pre`: before attention and network, the residual passes by.
`post`: after each sum. `original`: SASRec's code, where only queries are normalised and the
residual is what was normalised."""

Activation = Literal["relu", "gelu"]
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
}

PART = 2**18  # keys looked at together, 1 MB


@dataclass
class Memory:
    """What one layer keeps of a group of sequences, to read on from: keys and values so far."""

    keys: Tensor  # [S, H, W, Dh]
    values: Tensor  # [S, H, W, Dh]
    mask: Tensor  # [S, W] which of them are there
    later: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # of one event, [S, H, 1, Dh]

    def parts(self) -> list[slice]:
        """Some sequences at a time: what was read later is put behind the rest for each part.

        Memory of that size is used again, while a new copy of everything comes fresh each time.
        """
        size = max(1, PART // max(self.keys[0].numel(), 1))
        return [slice(at, at + size) for at in range(0, len(self.keys), size)]


Memories = list[list[Memory]]  # of each layer, of each group


class Transformer(nn.Module):
    """`blocks` layers; [T, D] -> [T, D]."""

    def __init__(
        self,
        dim: int,
        blocks: int,
        heads: int,
        inner: int,
        dropout: float,
        norm: Norm = "pre",
        activation: Activation = "relu",
        causal: bool = True,
        epsilon: float = 1e-8,
        inside: bool = True,
    ) -> None:
        """`inside`: values are also dropped between the two layers that follow attention."""
        super().__init__()
        self.blocks: Iterable[Any] = nn.ModuleList(
            Block(dim, heads, inner, dropout, norm, activation, causal, epsilon, inside)
            for _ in range(blocks)
        )
        self.last = nn.LayerNorm(dim, epsilon) if norm != "post" else nn.Identity()

    def forward(self, values: Tensor, packed: Packed, memories: Memories | None = None) -> Tensor:
        """The state after each event: [T, D] -> [T, D]. Fills `memories` if there is a list."""
        count, values = values.shape[0], filled(values)
        for block in self.blocks:
            values = block(values, packed, memories)
        return self.last(values[:count])

    def ends(self, values: Tensor, packed: Packed, memories: Memories | None = None) -> Tensor:
        """The state after the last event of each sequence alone: [T, D] -> [S, D]

        Fills `memories` if there is a list.
        """
        if not list(self.blocks):
            return self.last(values[packed.ends - 1])
        *earlier, last = self.blocks
        values = filled(values)
        for block in earlier:
            values = block(values, packed, memories)
        return self.last(last.ends(values, packed, memories))

    def at(self, values: Tensor, packed: Packed, place: Tensor) -> Tensor:
        """The states of some events alone: [T, D], [E] -> [E, D]"""
        if not list(self.blocks):
            return self.last(pick(values, place))
        *earlier, last = self.blocks
        values = filled(values)
        for block in earlier:
            values = block(values, packed)
        return self.last(last.at(values, packed, place))

    def further(self, values: Tensor, memories: Memories) -> Tensor:
        """One event more for each sequence, after what the memories hold: [S, D] -> [S, D]

        The memories are lengthened.
        """
        for block, memory in zip(self.blocks, memories, strict=True):
            values = block.further(values, memory)
        return self.last(values)


class Block(nn.Module):
    """Attention, then the same two layers for every event."""

    def __init__(
        self,
        dim: int,
        heads: int,
        inner: int,
        dropout: float,
        norm: Norm,
        activation: Activation,
        causal: bool,
        epsilon: float,
        inside: bool = True,
    ) -> None:
        super().__init__()
        self.norm, self.activation = norm, ACTIVATIONS[activation]
        self.attention = Attention(dim, heads, dropout, causal)
        self.before = nn.LayerNorm(dim, epsilon)
        self.between = nn.LayerNorm(dim, epsilon)
        self.wide, self.narrow = Layer(dim, inner), Layer(inner, dim)
        self.drop = Drop(dropout)
        self.inside = Drop(dropout if inside else 0.0)

    def forward(self, values: Tensor, packed: Packed, memories: Memories | None = None) -> Tensor:
        """[T, D] -> [T, D]"""
        queries, keys = self._looked_from(values)
        seen, memory = self.attention(queries, keys, packed, memories is not None)
        if memories is not None:
            memories.append(memory)
        return self._after(queries, values, seen)

    def ends(self, values: Tensor, packed: Packed, memories: Memories | None = None) -> Tensor:
        """[T, D] -> [S, D]: only the last event of each sequence looks back."""
        queries, keys = self._looked_from(values)
        last = packed.ends - 1
        asking = pick(queries, last)
        seen, memory = self.attention.ends(asking, keys, packed, memories is not None)
        if memories is not None:
            memories.append(memory)
        return self._after(asking, asking if queries is values else pick(values, last), seen)

    def at(self, values: Tensor, packed: Packed, place: Tensor) -> Tensor:
        """[T, D], [E] -> [E, D]: what follows attention is done for some events alone."""
        queries, keys = self._looked_from(values)
        seen, _ = self.attention(queries, keys, packed)
        rows = (filled(pick(one, place)) for one in (queries, values, seen))
        return self._after(*rows)[: len(place)]

    def further(self, values: Tensor, memory: list[Memory]) -> Tensor:
        """[S, D] -> [S, D]"""
        queries, keys = self._looked_from(values)
        return self._after(queries, values, self.attention.further(queries, keys, memory))

    def _looked_from(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """What queries and what keys are made of."""
        if self.norm == "post":
            return values, values
        queries = self.before(values)
        return queries, values if self.norm == "original" else queries

    def _after(self, queries: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        seen = self.drop(seen)
        if self.norm == "post":
            values = self.before(values + seen)
            return self.between(values + self._network(values))
        if self.norm == "original":
            values = self.between(queries + seen)
            return values + self._network(values)
        values = values + seen
        return values + self._network(self.between(values))

    def _network(self, values: Tensor) -> Tensor:
        return self.drop(self.narrow(self.inside(self.activation(self.wide(values)))))


class Attention(nn.Module):
    """Each event looks at those before it and itself, or at all of its sequence."""

    def __init__(self, dim: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        if dim % heads:
            raise BadSpec(
                f"{dim} dimensions cannot be shared out among {heads} heads.",
                "Set heads to a divisor of the dimensions.",
            )
        self.heads, self.causal = heads, causal
        self.into = Layer(dim, 3 * dim)  # queries, keys, values
        self.out = Layer(dim, dim)
        self.drop = Drop(dropout)

    def forward(
        self, queries: Tensor, keys: Tensor, packed: Packed, keep: bool = False
    ) -> tuple[Tensor, list[Memory]]:
        """[T, D], [T, D] -> [T, D], and what is needed to read on."""
        both = self._projected(queries, keys)
        tables, memory = [], []
        for group, table in zip(packed.groups, packed.padded(both), strict=True):
            query, key, value = self._by_head(table)
            value = self._dropped(value)
            mask = None if self.causal else _over_keys(group)
            seen = functional.scaled_dot_product_attention(
                query, key, value, mask, is_causal=self.causal
            )
            tables.append(seen.transpose(1, 2).flatten(2))
            if keep:
                memory.append(Memory(key, value, _there(group)))
        return self.out(packed.joined(tables, keys.shape[0])), memory

    def ends(
        self, queries: Tensor, keys: Tensor, packed: Packed, keep: bool = False
    ) -> tuple[Tensor, list[Memory]]:
        """[S, D] looks at all of its sequence [T, D] -> [S, D], and what is needed to read on."""
        dim = queries.shape[1]
        asked = linear(queries, self.into.weight[:dim], self.into.bias[:dim])
        both = linear(keys, self.into.weight[dim:], self.into.bias[dim:])
        seen, memory, first = [], [], 0
        for group in packed.groups:
            rows = slice(first, first + group.lengths.shape[0])
            key, value = self._by_head(group.padded(both))
            value = self._dropped(value)
            query = asked[rows].view(-1, self.heads, 1, dim // self.heads)
            found = functional.scaled_dot_product_attention(query, key, value, _over_keys(group))
            seen.append(found.flatten(1))
            first = rows.stop
            if keep:
                memory.append(Memory(key, value, _there(group)))
        return self.out(torch.cat(seen)), memory

    def further(self, queries: Tensor, keys: Tensor, memory: list[Memory]) -> Tensor:
        """[S, D] looks at what is remembered and at itself -> [S, D]; it is remembered then."""
        both = self._projected(queries, keys)
        seen, first = [], 0
        for one in memory:
            query, key, value = self._by_head(both[first : first + len(one.mask), None])
            one.later.append((key, self._dropped(value)))
            seen += [_looked(query[rows], one, rows) for rows in one.parts()]
            first += len(one.mask)
        return self.out(torch.cat(seen))

    def _projected(self, queries: Tensor, keys: Tensor) -> Tensor:
        """[n, D], [n, D] -> [n, 3 D]"""
        dim = queries.shape[1]
        if queries is keys:
            both: Tensor = self.into(keys)
            return both
        weight, bias = self.into.weight, self.into.bias
        asked = linear(queries, weight[:dim], bias[:dim])
        return torch.cat([asked, linear(keys, weight[dim:], bias[dim:])], 1)

    def _dropped(self, value: Tensor) -> Tensor:
        """Some events' values are 0, for all that look at them: [S, H, W, Dh]"""
        if not self.training or self.drop.share == 0:
            return value
        return value * self.drop(value.new_ones(value.shape[:3]))[..., None]

    def _by_head(self, table: Tensor) -> tuple[Tensor, ...]:
        """[S, W, n D] -> n times [S, H, W, Dh]"""
        count = table.shape[2] // self.out.in_features
        return table.view(*table.shape[:2], count, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def _looked(query: Tensor, memory: Memory, rows: slice) -> Tensor:
    """[s, H, 1, Dh] looks at all that is remembered of some sequences -> [s, D]"""
    keys = torch.cat([memory.keys[rows], *(key[rows] for key, _ in memory.later)], 2)
    values = torch.cat([memory.values[rows], *(value[rows] for _, value in memory.later)], 2)
    mask = functional.pad(memory.mask[rows], (0, len(memory.later)), value=True)
    found = functional.scaled_dot_product_attention(query, keys, values, mask[:, None, None])
    return found.flatten(1)


def _there(group: Group) -> Tensor:
    """Which places hold an event: [S, W]"""
    mask = group.mask
    shape = len(group.lengths), group.width
    return (
        torch.ones(shape, dtype=torch.bool, device=group.lengths.device) if mask is None else mask
    )


def _over_keys(group: Group) -> Tensor | None:
    """[S, 1, 1, W], or nothing where all places hold an event."""
    return None if group.mask is None else group.mask[:, None, None]
