"""T5's layers over packed sequences: an encoder that looks both ways, and a decoder.

Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
JMLR 2020, arXiv:1910.10683: no biases, layers normalised by their length alone before each part,
products that are not scaled, and distances instead of positions. What is dropped of attention is
an event's whole value (docs/design/decisions/0013-packed-sequences.md).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.parts.batches.packed import Group, Packed
from tesserec.parts.generation.state import Seen, State
from tesserec.parts.linear import Layer, filled, linear
from tesserec.parts.pick import pick
from tesserec.parts.sequences.drop import Drop

EPSILON = 1e-6


class Relative(nn.Module):
    """What the distance of two tokens adds to how much one looks at the other, for each head.

    Distances share buckets: half of them one each, the others on a logarithmic scale up to
    `longest`, beyond which all are alike (Raffel et al., sec. 2.1).
    """

    def __init__(
        self, heads: int, dim: int, both_ways: bool, buckets: int = 32, longest: int = 128
    ) -> None:
        super().__init__()
        self.both_ways, self.longest = both_ways, longest
        self.weight = nn.Parameter(dim**-0.5 * torch.randn(buckets, heads))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Positions [Tq], [Tk] -> [H, Tq, Tk]"""
        bucket = self.buckets(keys[None, :] - queries[:, None])
        return pick(self.weight, bucket).permute(2, 0, 1)

    def buckets(self, distance: Tensor) -> Tensor:
        """The bucket of each distance from a query to a key; keys before it lie below 0."""
        count = len(self.weight)
        offset = torch.zeros_like(distance)
        if self.both_ways:
            count //= 2
            offset = torch.where(distance > 0, count, 0)
            distance = distance.abs()
        else:
            distance = (-distance).clamp(min=0)
        exact = count // 2
        far = torch.log(distance.clamp(min=1) / exact) / math.log(self.longest / exact)
        logarithmic = (exact + (far * (count - exact)).long()).clamp(max=count - 1)
        return offset + torch.where(distance < exact, distance, logarithmic)


class Attention(nn.Module):
    """Queries of one sequence look at keys of the same or of another; `width` is one head's."""

    def __init__(self, dim: int, heads: int, width: int, dropout: float) -> None:
        super().__init__()
        self.heads, inner = heads, heads * width
        self.queries = Layer(dim, inner, bias=False)
        self.keys = Layer(dim, 2 * inner, bias=False)  # keys and values
        self.out = Layer(inner, dim, bias=False)
        self.drop = Drop(dropout)
        nn.init.normal_(self.queries.weight, std=(dim * width) ** -0.5)
        nn.init.normal_(self.keys.weight, std=dim**-0.5)
        nn.init.normal_(self.out.weight, std=inner**-0.5)

    def within(self, values: Tensor, packed: Packed, masks: Sequence[Tensor | None]) -> Tensor:
        """All events of a sequence look at each other: [T, D] -> [T, D]

        `masks` are what is added to the products of each group: [S or 1, H or 1, W, W]
        """
        parts = (self.queries.weight, *self.keys.weight.chunk(2))
        # Three products: the gradients of one that is cut in three would be put together again.
        tables = zip(*(packed.padded(linear(values, part)) for part in parts), strict=True)
        found = []
        for mask, each in zip(masks, tables, strict=True):
            query, key, value = (one_by_head(table, self.heads) for table in each)
            found.append(attended(query, key, self._dropped(value), mask))
        return self.out(packed.joined(found, len(values)))  # type: ignore[no-any-return]

    def looked_at(self, memory: Tensor, packed: Packed) -> list[Seen]:
        """Keys and values of what was read [T, D], once for all who look at it."""
        seen, first = [], 0
        parts = (packed.padded(linear(memory, part)) for part in self.keys.weight.chunk(2))
        for group, *tables in zip(packed.groups, *parts, strict=True):
            key, value = (one_by_head(table, self.heads) for table in tables)
            rows = slice(first, first + len(group.lengths))
            mask = None if group.mask is None else group.mask[:, None, None]
            seen.append(Seen(rows, key, self._dropped(value), mask))
            first = rows.stop
        return seen

    def across(self, values: Tensor, seen: list[Seen]) -> Tensor:
        """What was read is looked at: [S, W, D] -> [S, W, D]"""
        asked = one_by_head(self.queries(values), self.heads)
        found = [attended(asked[one.rows], one.keys, one.values, one.mask) for one in seen]
        return self.out(found[0] if len(found) == 1 else torch.cat(found))  # type: ignore[no-any-return]

    def earlier(self, values: Tensor, bias: Tensor) -> Tensor:
        """Each token looks at those before it and itself: [S, L, D], [H, L, L] -> [S, L, D]"""
        query = one_by_head(self.queries(values), self.heads)
        key, value = by_head(self.keys(values), 2, self.heads)
        return self.out(attended(query, key, self._dropped(value), bias))  # type: ignore[no-any-return]

    def latest(self, values: Tensor, own: list[Tensor], bias: Tensor) -> Tensor:
        """One token more of each beam looks at those before: [S, W, D], [H, 1, t] -> [S, W, D]

        `own`, keys and values of each token [S, W or 1, 2 inner], becomes one longer.
        """
        own.append(self.keys(values))
        query = self.queries(values).view(*values.shape[:2], self.heads, -1)
        parts = [one.view(*one.shape[:2], 2, self.heads, -1).unbind(2) for one in own]
        # By hand: many queries with a handful of keys each are not what attention kernels are for.
        found = torch.stack([(query * key).sum(-1) for key, _ in parts])  # [t, S, W, H]
        shares = (found + bias[:, 0].T[:, None, None]).softmax(0)[..., None]
        seen = shares[0] * parts[0][1]
        for share, (_, value) in zip(shares[1:], parts[1:], strict=True):
            seen = seen.addcmul(share, value)
        return self.out(seen.flatten(2))  # type: ignore[no-any-return]

    def _dropped(self, value: Tensor) -> Tensor:
        """Some events' values are 0, for all that look at them: [S, H, W, Dh]"""
        if not self.training or self.drop.share == 0:
            return value
        return value * self.drop(value.new_ones(value.shape[:3]))[..., None]


class Inner(nn.Module):
    """Two layers for every token alone."""

    def __init__(self, dim: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.wide = Layer(dim, inner, bias=False, relu=True)
        self.narrow = Layer(inner, dim, bias=False)
        self.drop = Drop(dropout)
        nn.init.normal_(self.wide.weight, std=dim**-0.5)
        nn.init.normal_(self.narrow.weight, std=inner**-0.5)

    def forward(self, values: Tensor) -> Tensor:
        """[..., D] -> [..., D]"""
        return self.narrow(self.drop(self.wide(values)))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """Attention both ways, then two layers for every token."""

    def __init__(self, dim: int, heads: int, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(dim, heads, width, dropout)
        self.inner = Inner(dim, inner, dropout)
        self.before, self.between = nn.RMSNorm(dim, EPSILON), nn.RMSNorm(dim, EPSILON)
        self.drop = Drop(dropout)

    def forward(self, values: Tensor, packed: Packed, masks: Sequence[Tensor | None]) -> Tensor:
        """[T, D] -> [T, D]"""
        seen = self.attention.within(self.before(values), packed, masks)
        values = values + self.drop(seen)
        return values + self.drop(self.inner(self.between(values)))


class Encoder(nn.Module):
    """Reads packed tokens: [T, D] -> [T, D]."""

    def __init__(
        self,
        dim: int,
        layers: int,
        heads: int,
        width: int,
        inner: int,
        dropout: float,
        bias: nn.Module | None = None,
    ) -> None:
        """`bias` takes positions [Tq], [Tk] as `Relative` does, which is there without one."""
        super().__init__()
        self.bias = Relative(heads, dim, both_ways=True) if bias is None else bias
        self.layers: Iterable[Any] = nn.ModuleList(
            EncoderLayer(dim, heads, width, inner, dropout) for _ in range(layers)
        )
        self.last = nn.RMSNorm(dim, EPSILON)
        self.drop = Drop(dropout)

    def forward(self, values: Tensor, packed: Packed, bias: nn.Module | None = None) -> Tensor:
        """[T, D] -> [T, D]. `bias` takes the place of the distances in the sequence."""
        count, values = len(values), filled(self.drop(values))
        masks = _masks(packed, self.bias if bias is None else bias)
        for layer in self.layers:
            values = layer(values, packed, masks)
        return self.drop(self.last(values[:count]))


class DecoderLayer(nn.Module):
    """A look at what was written, a look at what was read, then two layers."""

    def __init__(self, dim: int, heads: int, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.own = Attention(dim, heads, width, dropout)
        self.other = Attention(dim, heads, width, dropout)
        self.inner = Inner(dim, inner, dropout)
        norms = (nn.RMSNorm(dim, EPSILON) for _ in range(3))
        self.before, self.between, self.behind = norms
        self.drop = Drop(dropout)

    def forward(self, values: Tensor, bias: Tensor, seen: list[Seen]) -> Tensor:
        """[S, L, D] -> [S, L, D]"""
        values = values + self.drop(self.own.earlier(self.before(values), bias))
        return self._after(values, seen)

    def latest(self, values: Tensor, own: list[Tensor], bias: Tensor, seen: list[Seen]) -> Tensor:
        """One token more: [S, W, D] -> [S, W, D]"""
        values = values + self.own.latest(self.before(values), own, bias)
        return self._after(values, seen)

    def _after(self, values: Tensor, seen: list[Seen]) -> Tensor:
        values = values + self.drop(self.other.across(self.between(values), seen))
        return values + self.drop(self.inner(self.behind(values)))


class Decoder(nn.Module):
    """Writes token after token, looking at what was read."""

    def __init__(
        self, dim: int, layers: int, heads: int, width: int, inner: int, dropout: float
    ) -> None:
        super().__init__()
        self.bias = Relative(heads, dim, both_ways=False)
        self.layers: Iterable[Any] = nn.ModuleList(
            DecoderLayer(dim, heads, width, inner, dropout) for _ in range(layers)
        )
        self.last = nn.RMSNorm(dim, EPSILON)
        self.drop = Drop(dropout)

    def forward(self, values: Tensor, memory: Tensor, packed: Packed) -> Tensor:
        """The state before each token of a whole id: [S, L, D] -> [S, L, D]"""
        values = self.drop(values)
        places = torch.arange(values.shape[1], device=values.device)
        later = places[None, :] > places[:, None]
        bias = self.bias(places, places).masked_fill(later, -torch.inf)
        memory = filled(memory)
        for layer in self.layers:
            values = layer(values, bias, layer.other.looked_at(memory, packed))
        return self.drop(self.last(values))

    def begin(self, memory: Tensor, packed: Packed) -> State:
        """Nothing written yet."""
        memory = filled(memory)
        return State([layer.other.looked_at(memory, packed) for layer in self.layers])

    def latest(self, values: Tensor, state: State) -> Tensor:
        """The state of each beam after one token more: [S, W, D] -> [S, W, D]"""
        places = torch.arange(state.level + 1, device=values.device)
        bias = self.bias(places[-1:], places)
        for layer, own, seen in zip(self.layers, state.own, state.seen, strict=True):
            values = layer.latest(values, own, bias, seen)
        state.level += 1
        return self.last(values)  # type: ignore[no-any-return]


def by_head(table: Tensor, count: int, heads: int) -> tuple[Tensor, ...]:
    """[S, W, n H Dh] -> n times [S, H, W, Dh]"""
    return table.view(*table.shape[:2], count, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def one_by_head(table: Tensor, heads: int) -> Tensor:
    """[S, W, H Dh] -> [S, H, W, Dh]"""
    return table.view(*table.shape[:2], heads, -1).transpose(1, 2)


def attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """[S, H, W, Dh] looks at [S, H, T, Dh] -> [S, W, H Dh], products not scaled."""
    found = functional.scaled_dot_product_attention(query, key, value, mask, scale=1.0)
    return found.transpose(1, 2).flatten(2)


def _masks(packed: Packed, bias: nn.Module) -> list[Tensor | None]:
    """What is added to the products of each group, the same in all layers: [S or 1, H, W, W]"""
    widest = max((group.width for group in packed.groups), default=0)
    places = torch.arange(widest, device=packed.lengths.device)
    added: Tensor = bias(places, places)[None]  # [1, H, W, W]
    return [_mask(group, added[..., : group.width, : group.width]) for group in packed.groups]


def _mask(group: Group, added: Tensor) -> Tensor:
    """The same of one group, which nobody looks behind the ends of: [S or 1, H, W, W]"""
    return (
        added if group.mask is None else added.masked_fill(~group.mask[:, None, None], -torch.inf)
    )
