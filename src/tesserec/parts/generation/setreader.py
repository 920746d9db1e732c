"""SetReader: a history is read as a set of vectors that are known beforehand.

Relation-aware self-attention of MMGRec (Liu et al., arXiv:2404.16555): in the place of positions,
what two items are to each other for this person. The order in which items come changes nothing.
"""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.parts.batches.packed import Packed
from tesserec.parts.generation.postnorm import sinusoids
from tesserec.parts.generation.t5 import Inner, by_head, one_by_head
from tesserec.parts.linear import Layer, filled, linear
from tesserec.parts.pick import pick
from tesserec.parts.sequences.drop import Drop

Looking = Literal["relation", "sinusoidal", "plain"]
"""What attention knows besides contents: relations for this person, places, or nothing."""


class Relation(nn.Module):
    """Queries, keys and values that all heads share, each scaled by a number for the person."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.into = Layer(dim, 3 * width, bias=False)  # U_Q, U_K, U_V
        self.hidden = Layer(dim, 3 * max(dim // 2, 1), bias=False)  # of s_q, s_k, s_v
        last = torch.empty(3, max(dim // 2, 1))
        self.last = nn.Parameter(
            nn.init.uniform_(last, -(last.shape[1] ** -0.5), last.shape[1] ** -0.5)
        )

    def scales(self, people: Tensor) -> Tensor:
        """s_q, s_k and s_v of each person: [S, D] -> [S, 3]"""
        hidden = functional.relu(self.hidden(people)).view(len(people), 3, -1)
        return (hidden * self.last).sum(2)

    def forward(self, values: Tensor, packed: Packed, people: Tensor) -> Tensor:
        """A_q, A_k and A_v side by side: [T, D], [S, D] -> [T, 3 Dh]"""
        scales = pick(self.scales(people), packed.sequence)
        projected = self.into(values)[: len(scales)].view(len(scales), 3, -1)
        return (projected * scales[:, :, None]).flatten(1)


class SetAttention(nn.Module):
    """All items of a set look at each other."""

    def __init__(self, dim: int, heads: int, width: int, related: bool) -> None:
        super().__init__()
        self.heads, self.scale = heads, width**-0.5
        self.into = Layer(dim, 3 * heads * width, bias=False)  # W_Q, W_K, W_V
        self.out = Layer(heads * width, dim, bias=False)
        self.relation = Relation(dim, width) if related else None

    def forward(self, values: Tensor, packed: Packed, people: Tensor) -> Tensor:
        """[T, D], [S, D] -> [T, D]"""
        # Three products: the gradients of one that is cut in three would be put together again.
        parts = [packed.padded(linear(values, part)) for part in self.into.weight.chunk(3)]
        tables = list(zip(*parts, strict=True))
        related: list[Tensor | None] = [None] * len(tables)
        if self.relation is not None:
            related = list(packed.padded(self.relation(values, packed, people)))
        seen = [
            self._seen(group.mask, table, own)
            for group, table, own in zip(packed.groups, tables, related, strict=True)
        ]
        return self.out(packed.joined(seen, len(values)))  # type: ignore[no-any-return]

    def _seen(
        self, mask: Tensor | None, tables: Iterable[Tensor], related: Tensor | None
    ) -> Tensor:
        """Of sets side by side: three times [S, W, H Dh], [S, W, 3 Dh] -> [S, W, H Dh]"""
        query, key, value = (one_by_head(table, self.heads) for table in tables)
        products = query @ key.transpose(2, 3)  # [S, H, W, W]
        if related is not None:
            related_query, related_key, related_value = by_head(related, 3, 1)
            products = products + related_query @ related_key.transpose(2, 3)
            value = value + related_value
        if mask is not None:
            products = products.masked_fill(~mask[:, None, None], -torch.inf)
        found = torch.softmax(products * self.scale, 3) @ value
        return found.transpose(1, 2).flatten(2)


class SetLayer(nn.Module):
    """Attention, then two layers for every item, each normalised after the sum."""

    def __init__(
        self, dim: int, heads: int, width: int, inner: int, dropout: float, related: bool
    ) -> None:
        super().__init__()
        self.attention = SetAttention(dim, heads, width, related)
        self.inner = Inner(dim, inner, 0.0)
        self.between, self.behind = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = Drop(dropout)

    def forward(self, values: Tensor, packed: Packed, people: Tensor) -> Tensor:
        """[T, D], [S, D] -> [T, D]"""
        values = self.between(values + self.drop(self.attention(values, packed, people)))
        return self.behind(values + self.inner(values))  # type: ignore[no-any-return]


class SetReader(nn.Module):
    """Reads sets of items by their vectors, for people by theirs; neither is learned on."""

    items: Tensor
    users: Tensor

    def __init__(
        self,
        items: Tensor,
        users: Tensor,
        layers: int,
        heads: int,
        width: int,
        inner: int,
        dropout: float,
        looking: Looking,
        longest: int,
    ) -> None:
        """Vectors of items [I, D] and of users [U, D]; a stranger is their mean."""
        super().__init__()
        dim = items.shape[1]
        self.register_buffer("items", items)
        self.register_buffer("users", torch.cat([users, users.mean(0, keepdim=True)]))
        self.nothing = nn.Parameter(torch.randn(dim))  # in the place of an empty set
        self.looking: Looking = looking
        self.register_buffer("places", sinusoids(longest, dim), persistent=False)
        self.drop = Drop(dropout)
        self.layers: Iterable[Any] = nn.ModuleList(
            SetLayer(dim, heads, width, inner, dropout, looking == "relation")
            for _ in range(layers)
        )

    def forward(self, packed: Packed, users: Tensor, table: Tensor) -> tuple[Tensor, Packed]:
        """Items of S sets and whose they are [S] -> what was read [T, D], in sets.

        -1 among users is a stranger, among items that there are none. Tokens, the `table`, are
        not looked at.
        """
        people = self.users[users]  # row -1 is the last
        there = (packed.items >= 0)[:, None]
        values = torch.where(there, self.items[packed.items.clamp(min=0)], self.nothing)
        if self.looking == "sinusoidal":
            values = values + self.get_buffer("places")[packed.from_start]
        count, values = len(values), filled(self.drop(values))
        for layer in self.layers:
            values = layer(values, packed, people)
        return values[:count], packed
