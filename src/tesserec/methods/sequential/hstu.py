"""HSTU: attention without a softmax, gated, that knows places and times.

Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
Generative Recommendations", ICML 2024, arXiv:2402.17152. This is the form of its public
benchmark: items are read, and the next item is told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import Packed, Sequences
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
    blocks: Annotated[int, Field(ge=0)] = 2  # 8 in the large form for ML-1M
    heads: Count = 1  # each of width dim / heads, d_qk = d_v; 2 in the large form
    dropout: Part = 0.2  # 0.5 for Books
    by_place: bool = True  # how many events lie between biases attention
    by_time: bool = True  # how many seconds lie between, too, where times are in seconds
    positions: Counted = "start"
    items: ItemTable = Learned()
    objective: Objective = Softmax(temperature=0.05, cosine=True)
    # `length` is also n. The paper draws 128 (R) for each position: with `Uniform` a step on a CPU
    # takes over twenty times as long.
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


@dataclass
class Memory:
    """What a unit keeps of a group of sequences, to read on from."""

    keys: Tensor  # [S, H, W, Dh]
    values: Tensor  # [S, H, W, Dh]
    places: Tensor  # [S, W] from 0; -1 where there is no event
    times: Tensor | None  # [S, W]; where there is no event, the last time


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
        looks = self._looks(packed)
        for unit in self.units:
            values, kept = unit(values, packed, looks)
            if memories is not None:
                pairs = zip(kept, self._known(packed), strict=True)
                memories.append([Memory(k, v, places, times) for (k, v), (places, times) in pairs])
        return values

    def ends(self, values: Tensor, packed: Packed) -> Tensor:
        """The state after the last event of each sequence alone: [T, D] -> [S, D]"""
        if not list(self.units):
            return values[packed.ends - 1]
        looks = self._looks(packed)
        *earlier, last = self.units
        for unit in earlier:
            values, _ = unit(values, packed, looks)
        return last.ends(values, packed, [self._from_last(*one) for one in self._known(packed)])

    def further(self, values: Tensor, memories: Memories) -> Tensor:
        """One event more for each sequence, at the time of its last one: [S, D] -> [S, D]

        The memories are lengthened.
        """
        for unit, kept in zip(self.units, memories, strict=True):
            for memory in kept:
                place = memory.places.amax(1, keepdim=True) + 1
                memory.places = torch.cat([memory.places, place], 1)
                if memory.times is not None:
                    memory.times = torch.cat([memory.times, memory.times[:, -1:]], 1)
            looks = [self._from_last(memory.places, memory.times) for memory in kept]
            values = unit.further(values, kept, looks)
        return values

    def _times(self, packed: Packed) -> Tensor | None:
        """Seconds, if that is what times were when this learned: [T]"""
        return packed.time if packed.time is not None and bool(self.timed) else None

    def _looks(self, packed: Packed) -> list[Look]:
        """All events of each group look back."""
        times, looks = self._times(packed), []
        following = None if times is None else _following(times, packed)
        for group in packed.groups:
            places = torch.arange(group.width, device=packed.items.device)
            apart = places[:, None] - places
            between = None
            if times is not None and following is not None:
                between = group.padded(following)[:, :, None] - group.padded(times)[:, None]
            looks.append(self._look(apart[None], between, apart[None] >= 0))
        return looks

    def _from_last(self, places: Tensor, times: Tensor | None) -> Look:
        """The last events look back: [S, W], [S, W] -> [S, 1, W]"""
        apart = (places.amax(1, keepdim=True) - places)[:, None]
        between = None if times is None else (times[:, -1:] - times)[:, None]
        return self._look(apart, between, (places >= 0)[:, None])

    def _look(self, apart: Tensor, between: Tensor | None, seen: Tensor) -> Look:
        apart = apart.clamp(0, self.longest - 1)
        return Look(apart, None if between is None else bucket(between), seen / self.longest)

    def _known(self, packed: Packed) -> list[tuple[Tensor, Tensor | None]]:
        """Places and times of each group: [S, W], [S, W]"""
        times = self._times(packed)
        known = []
        for group in packed.groups:
            places = torch.arange(group.width, device=packed.items.device)
            there = places < group.lengths[:, None]
            padded = None if times is None else group.padded(times)
            known.append((torch.where(there, places, -1), padded))
        return known


class Unit(nn.Module):
    """Attention whose weights are SiLU(QK + bias) / n, and what it finds, gated."""

    def __init__(self, method: HSTU, longest: int) -> None:
        super().__init__()
        dim, self.heads = method.dim, method.heads
        self.into = nn.Parameter(0.02 * torch.randn(4 * dim, dim))  # to U, Q, K, V
        self.out = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.out.weight)
        self.places = nn.Parameter(0.02 * torch.randn(longest)) if method.by_place else None
        self.times = nn.Parameter(0.02 * torch.randn(BUCKETS + 1)) if method.by_time else None
        self.drop = Drop(method.dropout)

    def forward(
        self, values: Tensor, packed: Packed, looks: list[Look]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """[T, D] -> [T, D], and the keys and values of each group"""
        gate, rest = self._projected(values)
        tables, kept = [], []
        for group, look in zip(packed.groups, looks, strict=True):
            query, key, value = self._by_head(group.padded(rest))
            tables.append(self._seen(query, key, value, look))
            kept.append((key, value))
        return self._gated(values, gate, packed.joined(tables)), kept

    def ends(self, values: Tensor, packed: Packed, looks: list[Look]) -> Tensor:
        """[T, D] -> [S, D]: only the last event of each sequence looks back."""
        gate, rest = self._projected(values)
        last, seen, first = packed.ends - 1, [], 0
        for group, look in zip(packed.groups, looks, strict=True):
            rows = last[first : first + len(group.lengths)]
            query = self._by_head(rest[rows, None])[0]
            _, key, value = self._by_head(group.padded(rest))
            seen.append(self._seen(query, key, value, look)[:, 0])
            first += len(rows)
        return self._gated(values[last], gate[last], torch.cat(seen))

    def further(self, values: Tensor, kept: list[Memory], looks: list[Look]) -> Tensor:
        """[S, D] -> [S, D]; its keys and values are remembered then."""
        gate, rest = self._projected(values)
        seen, first = [], 0
        for memory, look in zip(kept, looks, strict=True):
            rows = rest[first : first + len(memory.keys), None]
            query, key, value = self._by_head(rows)
            memory.keys = torch.cat([memory.keys, key], 2)
            memory.values = torch.cat([memory.values, value], 2)
            seen.append(self._seen(query, memory.keys, memory.values, look)[:, 0])
            first += len(rows)
        return self._gated(values, gate, torch.cat(seen))

    def _projected(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The gate U, and queries, keys and values: [n, D] -> [n, D], [n, 3 D]"""
        dim = values.shape[1]
        normal = functional.layer_norm(values, [dim], eps=EPSILON)
        both = functional.silu(functional.linear(normal, self.into))
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


def _following(times: Tensor, packed: Packed) -> Tensor:
    """The time of each event's next one; of the last of a sequence its own: [T]"""
    following = times.roll(-1)
    following[packed.ends - 1] = times[packed.ends - 1]
    return following
