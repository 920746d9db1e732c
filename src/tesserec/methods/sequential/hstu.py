"""HSTU: attention without a softmax, gated, that knows places and times.

Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
Generative Recommendations", ICML 2024, arXiv:2402.17152. This is the form of its public
benchmark: items are read, and the next item is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import Group, Packed, Sequences
from tesserec.parts.linear import Layer, filled, linear
from tesserec.parts.negatives import Shared
from tesserec.parts.objectives import Objective, Softmax
from tesserec.parts.sequences import Drop, ItemTable, Learned, NextItem
from tesserec.parts.sequences.nextitem import Counted
from tesserec.recommenders import EncoderRecommender
from tesserec.training import AdamW, Learner, Schedule

Count = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(ge=0, lt=1)]

BUCKETS = 128  # the last bucket of times, counted from 0
BASE = 0.301  # width of a bucket, in the natural logarithm of seconds
EPSILON = 1e-6  # of the layer norms


class HSTU(Learner):
    """Units of pointwise attention read a history; places and times between events bias it."""

    tiny: ClassVar = {
        "dim": 16,
        "dropout": 0.0,
        "batches": {"size": 20, "length": 10, "sampler": {"kind": "Everything"}},
        "schedule": {"epochs": 30, "rate": 0.01},
    }
    needs: ClassVar = frozenset({"order"})

    dim: Count = 50  # D; 256 for ML-20M, 64 for Books
    blocks: Count = 2  # 8 in the large form for ML-1M
    heads: Count = 1  # each of width dim / heads, d_qk = d_v; 2 in the large form
    dropout: Part = 0.2  # 0.5 for Books
    by_place: bool = True  # how many events lie between biases attention
    by_time: bool = True  # how many seconds lie between, too, where times are in seconds
    positions: Counted = "start"
    items: ItemTable = Learned()
    objective: Objective = Softmax(temperature=0.05, cosine=True)
    # `length` is also n. The paper draws 128 (R) for each position: with `Uniform` a step on a CPU
    # takes over ten times as long.
    batches: Sequences = Sequences(size=128, length=200, negatives=128, sampler=Shared())
    schedule: Schedule = Schedule(
        epochs=101, rate=1e-3, optimizer=AdamW(betas=(0.9, 0.98), weight_decay=0.0), patience=20
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.dim % self.heads:
            raise BadSpec(
                f"dim = {self.dim} cannot be shared out among {self.heads} heads.",
                "Take a dim that is a multiple of heads.",
            )
        return self

    def network(self, data: Dataset) -> nn.Module:
        return NextItem(
            data,
            dim=self.dim,
            longest=self.batches.length,
            reader=Units(self, timed=data.interactions.clock == "seconds"),
            objective=self.objective,
            items=self.items,
            dropout=self.dropout,
            positions=self.positions,
            scale=self.dim**0.5,
        )

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)


@dataclass(frozen=True, eq=False)
class Look:
    """How Q queries of a group see its W events; R is S, or 1 where all sequences are alike."""

    apart: Tensor  # [R, Q, W] how many events lie between
    bucket: Tensor | None  # [S, Q, W] of the seconds between; None: not known
    share: Tensor  # [R, Q, W] 1 / n, or 0 for what comes later

    @classmethod
    def over(cls, apart: Tensor, seconds: Tensor | None, seen: Tensor, longest: int) -> "Look":
        """From places and times between, and from what is seen at all."""
        known = None if seconds is None else bucket(seconds)
        return cls(apart.clamp(0, longest - 1), known, seen / longest)


@dataclass
class Memory:
    """What a unit keeps of a group of sequences, to read on from."""

    keys: Tensor  # [S, H, W, Dh]
    values: Tensor  # [S, H, W, Dh]
    places: Tensor  # [S, W] from 0; -1 where there is no event
    times: Tensor | None  # [S, W]; where there is no event, the last time

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, group: Group, times: Tensor | None) -> "Memory":
        """Of the events of a group; `times` are those of all: [T]"""
        places = torch.arange(group.width, device=keys.device)
        places = torch.where(places < group.lengths[:, None], places, -1)
        return cls(keys, values, places, None if times is None else group.padded(times))

    def add(self, key: Tensor, value: Tensor) -> None:
        """One event more of each, at the time of the last: 2 x [S, H, 1, Dh]"""
        self.keys, self.values = torch.cat([self.keys, key], 2), torch.cat([self.values, value], 2)
        self.places = torch.cat([self.places, self.places.amax(1, keepdim=True) + 1], 1)
        if self.times is not None:
            self.times = torch.cat([self.times, self.times[:, -1:]], 1)

    def from_last(self, longest: int) -> Look:
        """The last event of each looks back: Q = 1."""
        apart = (self.places.amax(1, keepdim=True) - self.places)[:, None]
        seconds = None if self.times is None else (self.times[:, -1:] - self.times)[:, None]
        return Look.over(apart, seconds, (self.places >= 0)[:, None], longest)


Memories = list[list[Memory]]  # of each unit, of each group


class Units(nn.Module):
    """`blocks` transduction units; [T, D] -> [T, D]."""

    timed: Tensor

    def __init__(self, method: HSTU, timed: bool) -> None:
        super().__init__()
        self.longest = method.batches.length  # n
        # Loaded without events nobody knows what their clock was: it comes with the weights.
        self.register_buffer("timed", torch.tensor(timed))
        self.units: Iterable[Any] = nn.ModuleList(
            Unit(method, self.longest) for _ in range(method.blocks)
        )

    def forward(self, values: Tensor, packed: Packed, memories: Memories | None = None) -> Tensor:
        """The state after each event: [T, D] -> [T, D]. Fills `memories` if there is a list."""
        packed = self._timed(packed)
        looks = _looks(packed, self.longest)
        count, values = len(values), filled(values)
        for unit in self.units:
            values = unit(values, packed, looks, memories)
        return values[:count]

    def ends(self, values: Tensor, packed: Packed) -> Tensor:
        """The state after the last event of each sequence alone: [T, D] -> [S, D]"""
        packed = self._timed(packed)
        looks = _looks(packed, self.longest)
        *earlier, last = self.units
        values = filled(values)
        for unit in earlier:
            values = unit(values, packed, looks)
        return cast(Tensor, last.ends(values, packed))

    def further(self, values: Tensor, memories: Memories) -> Tensor:
        """One event more for each sequence, at the time of its last one: [S, D] -> [S, D]

        The memories are lengthened.
        """
        for unit, kept in zip(self.units, memories, strict=True):
            values = unit.further(values, kept)
        return values

    def _timed(self, packed: Packed) -> Packed:
        """Without times, unless they were seconds when this learned."""
        return packed if packed.time is None or bool(self.timed) else replace(packed, time=None)


class Unit(nn.Module):
    """Attention whose weights are SiLU(QK + bias) / n, and what it finds, gated."""

    def __init__(self, method: HSTU, longest: int) -> None:
        super().__init__()
        dim, self.heads, self.longest = method.dim, method.heads, longest
        self.into = nn.Parameter(0.02 * torch.randn(4 * dim, dim))  # to U, Q, K, V
        self.out = Layer(dim, dim)
        nn.init.xavier_uniform_(self.out.weight)
        self.places = nn.Parameter(0.02 * torch.randn(longest)) if method.by_place else None
        self.times = nn.Parameter(0.02 * torch.randn(BUCKETS + 1)) if method.by_time else None
        self.drop = Drop(method.dropout)

    def forward(
        self, values: Tensor, packed: Packed, looks: list[Look], memories: Memories | None = None
    ) -> Tensor:
        """[T, D] -> [T, D]"""
        gate, rest = self._projected(values)
        tables, kept = [], []
        for group, look in zip(packed.groups, looks, strict=True):
            query, key, value = self._by_head(group.padded(rest))
            tables.append(self._seen(query, key, value, look))
            if memories is not None:
                kept.append(Memory.of(key, value, group, packed.time))
        if memories is not None:
            memories.append(kept)
        return self._gated(values, gate, packed.joined(tables, len(values)))

    def ends(self, values: Tensor, packed: Packed) -> Tensor:
        """[T, D] -> [S, D]: only the last event of each sequence looks back."""
        gate, rest = self._projected(values)
        kept = []
        for group in packed.groups:
            _, key, value = self._by_head(group.padded(rest))
            kept.append(Memory.of(key, value, group, packed.time))
        last = packed.ends - 1
        return self._from_last(values[last], gate[last], rest[last], kept)

    def further(self, values: Tensor, kept: list[Memory]) -> Tensor:
        """[S, D] -> [S, D]; its keys and values are remembered then."""
        gate, rest = self._projected(values)
        for memory, rows in zip(kept, _shared_out(rest, kept), strict=True):
            _, key, value = self._by_head(rows)
            memory.add(key, value)
        return self._from_last(values, gate, rest, kept)

    def _from_last(self, values: Tensor, gate: Tensor, rest: Tensor, kept: list[Memory]) -> Tensor:
        """The last events, which are remembered already, look back: [S, D] -> [S, D]"""
        seen = []
        for memory, rows in zip(kept, _shared_out(rest, kept), strict=True):
            query = self._by_head(rows)[0]
            look = memory.from_last(self.longest)
            seen.append(self._seen(query, memory.keys, memory.values, look)[:, 0])
        return self._gated(values, gate, torch.cat(seen))

    def _projected(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The gate U, and queries, keys and values: [n, D] -> [n, D], [n, 3 D]"""
        dim = values.shape[1]
        normal = functional.layer_norm(values, [dim], eps=EPSILON)
        both = functional.silu(linear(normal, self.into))
        return both[:, :dim], both[:, dim:]

    def _by_head(self, table: Tensor) -> tuple[Tensor, ...]:
        """[S, W, 3 D] -> 3 x [S, H, W, Dh]"""
        return table.view(*table.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def _seen(self, query: Tensor, key: Tensor, value: Tensor, look: Look) -> Tensor:
        """[S, H, Q, Dh], 2 x [S, H, W, Dh] -> [S, Q, D]"""
        scores = query @ key.transpose(2, 3)  # [S, H, Q, W]
        if self.places is not None:
            scores += _entries(self.places, look.apart)[:, None]
        if self.times is not None and look.bucket is not None:
            scores += _entries(self.times, look.bucket)[:, None]
        # Times 0 after the SiLU: what comes later is not made minus infinity before it.
        weights = functional.silu(scores).mul_(look.share[:, None])
        return (weights @ value).transpose(1, 2).flatten(2)

    def _gated(self, values: Tensor, gate: Tensor, seen: Tensor) -> Tensor:
        normal = functional.layer_norm(seen, [seen.shape[1]], eps=EPSILON)
        return values + self.out(self.drop(gate * normal))


def bucket(seconds: Tensor) -> Tensor:
    """Which of 129 buckets a time between events is in, whichever its sign: the same shape."""
    logarithm = seconds.abs().float().clamp_(min=1).log_()
    return logarithm.div_(BASE).int().clamp_(max=BUCKETS)


def _entries(table: Tensor, places: Tensor) -> Tensor:
    """table[places], its gradient added up several times as fast."""
    return table.index_select(0, places.flatten()).view(places.shape)


def _looks(packed: Packed, longest: int) -> list[Look]:
    """All events of each group look back, from the time of the event that comes next."""
    times, looks = packed.time, []
    for group in packed.groups:
        places = torch.arange(group.width, device=packed.items.device)
        apart = (places[:, None] - places)[None]
        seconds = None
        if times is not None:
            own, following = group.padded(times), group.padded(_following(times, packed))
            seconds = following[:, :, None] - own[:, None]
        looks.append(Look.over(apart, seconds, apart >= 0, longest))
    return looks


def _following(times: Tensor, packed: Packed) -> Tensor:
    """The time of each event's next one; of the last of a sequence its own: [T]"""
    following = times.roll(-1)
    following[packed.ends - 1] = times[packed.ends - 1]
    return following


def _shared_out(rows: Tensor, kept: list[Memory]) -> list[Tensor]:
    """The rows of each group's sequences: [S, n] -> [s, 1, n]"""
    return [part[:, None] for part in rows.split([len(memory.keys) for memory in kept])]
