"""NextItem: the network of methods that read a history and say what comes next.

A table stands for the items, a reader makes the state after each event of what came before, and
the inner product of a state and an item is how likely the item comes next.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Dataset, Entities, Losses, Requests
from tesserec.core.errors import BadSpec
from tesserec.parts.batches.packed import Packed
from tesserec.parts.batches.sequences import SequenceBatch
from tesserec.parts.objectives import (
    Objective,
    PairScores,
    Picked,
    pair_losses,
    pair_scores,
    paired,
    prepared,
)
from tesserec.parts.pick import pick
from tesserec.parts.sequences.drop import Drop
from tesserec.parts.sequences.table import ItemTable

Counted = Literal["end", "start", "none"]
"""Positions are counted from the last event back, from the first one on, or not at all."""


class Reader(Protocol):
    """What makes states of vectors. `ends(values, packed) -> [S, D]` may do the last ones alone."""

    def __call__(self, values: Tensor, packed: Packed) -> Tensor:
        """The state after each event: [T, D] -> [T, D]"""
        ...


class ReadsOn(Reader, Protocol):
    """A reader that remembers what it read, and reads on from there one event at a time."""

    def ends(self, values: Tensor, packed: Packed, memories: list[Any] | None = None) -> Tensor:
        """The state after the last event of each sequence: [T, D] -> [S, D]

        What is needed to read on is added to `memories`, if there is a list.
        """
        ...

    def further(self, values: Tensor, memories: list[Any]) -> Tensor:
        """The state after one event more for each sequence: [S, D] -> [S, D]

        The memories then hold that event, too.
        """
        ...


class Places(nn.Module):
    """A learned vector for each place of a sequence, added to what is there."""

    def __init__(self, longest: int, dim: int, counted: Counted, deviation: float = 0.02) -> None:
        super().__init__()
        self.counted = counted
        rows = 0 if counted == "none" else longest
        self.weight = nn.Parameter(deviation * torch.randn(rows, dim))

    def forward(self, values: Tensor, packed: Packed) -> Tensor:
        """[T, D] -> [T, D]"""
        if self.counted == "none":
            return values
        places = packed.from_end if self.counted == "end" else packed.from_start
        return values + pick(self.weight, places)


@dataclass
class Live:
    """How far one history was read, and what the reader remembers of it."""

    length: int
    memories: list[Any]


class NextItem(nn.Module):
    """Items, places and a reader; it is trained by `loss` and answers through `encode`."""

    popularity: Tensor

    def __init__(
        self,
        data: Dataset,
        *,
        dim: int,
        longest: int,
        reader: nn.Module,
        objective: Objective,
        items: ItemTable,
        dropout: float,
        positions: Counted = "none",
        scale: float = 1.0,
        apart: bool = False,
        bias: bool = False,
    ) -> None:
        """`scale` multiplies what is read; `apart`: answers have a table of their own.

        With a `bias` of each item, items are [I, D + 1], and queries end with a 1.
        """
        super().__init__()
        if bias and objective.similarity == "cosine":
            raise BadSpec(
                f"{type(objective).__name__} compares directions, which have no bias.",
                "Set bias = false, or compare inner products (Softmax: cosine = false).",
            )
        self.longest, self.scale, self.objective = longest, scale, objective
        self.items = items.over(data, dim)
        self.answers = items.over(data, dim) if apart else None
        self.bias = nn.Parameter(torch.zeros(len(data.catalog.items))) if bias else None
        self.places = Places(longest, dim, positions)
        self.drop = Drop(dropout)
        self.reader = reader
        self.register_buffer("popularity", data.popularity.float())  # [I] what strangers get

    def input_vectors(self) -> Tensor:
        """What histories are read with: [I, D]"""
        return cast(Tensor, self.items())

    def item_vectors(self) -> Tensor:
        """What answers are compared with: [I, D]"""
        return cast(Tensor, prepared(self.objective, self._answers(self.input_vectors())))

    def place(self, items: Entities) -> Tensor:
        """Where content alone puts items among the answers: [n, D]. Raises `CannotAnswer`.

        With a bias, theirs is the mean: how popular they will be is not known.
        """
        table = self.items if self.answers is None else self.answers
        placed = cast(Any, table).place(items)
        if self.bias is not None:
            placed = torch.cat([placed, self.bias.mean().expand(len(items), 1)], 1)
        return cast(Tensor, prepared(self.objective, placed))

    def place_inputs(self, items: Entities) -> Tensor:
        """What histories with such items are read with: [n, D]. Raises `CannotAnswer`."""
        return cast(Tensor, cast(Any, self.items).place(items))

    def take_in(self, items: Entities) -> None:
        """The last items are these."""
        if self.bias is not None:
            self.bias.data[-len(items) :] = self.bias.data[: -len(items)].mean()

    def encode(self, requests: Requests, inputs: Tensor) -> Tensor:
        """A query per request, each with a history: [B, D]"""
        packed, order = Packed.of(requests.history, self.longest)
        found = self.asked_after(packed.to(inputs.device), inputs)
        queries = torch.empty_like(found)
        queries[order.to(found.device)] = found
        return queries

    def asked_after(self, packed: Packed, inputs: Tensor) -> Tensor:
        """The query after the last event of each sequence: [S, D]"""
        values = self.entered(packed, inputs)
        last = getattr(self.reader, "ends", None)
        if last is not None:
            states = last(values, packed)
        else:
            states = self.reader(values, packed)[packed.ends - 1]
        return cast(Tensor, prepared(self.objective, self._asked(states)))

    def begin(self, requests: Requests, inputs: Tensor) -> tuple[Tensor, Live] | None:
        """The query of one history, and a state to go on from; None where one cannot.

        Where places are counted from the end, every event moves all that came before it. A reader
        that is `timed` knows the time of an event only when it reads the history.
        """
        timed = bool(getattr(self.reader, "timed", False))
        if self.places.counted == "end" or timed or not hasattr(self.reader, "further"):
            return None
        packed, _ = Packed.of(requests.history, self.longest)
        packed = packed.to(inputs.device)
        memories: list[Any] = []
        states = self.reader(self.entered(packed, inputs), packed, memories)
        query = prepared(self.objective, self._asked(states[packed.ends - 1]))
        return query, Live(int(packed.lengths[0]), memories)

    def further(self, items: Tensor, inputs: Tensor, live: Live) -> tuple[Tensor, Live] | None:
        """The query after one item more; None where the state has no room for it."""
        if live.length >= self.longest:
            return None
        values = pick(inputs, items) * self.scale
        if self.places.counted == "start":
            values = values + self.places.weight[live.length]
        states = cast(Any, self.reader).further(values, live.memories)
        query = prepared(self.objective, self._asked(states))
        return query, Live(live.length + 1, live.memories)

    def entered(self, packed: Packed, inputs: Tensor) -> Tensor:
        """What the reader reads: [T, D]"""
        return self.drop(self.places(pick(inputs, packed.items) * self.scale, packed))

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
        return paired(self._asked(self._told(batch, inputs)), self._answers(inputs), batch)

    def _told(self, batch: SequenceBatch, inputs: Tensor) -> Tensor:
        events, values = batch.events, self.entered(batch.events, inputs)
        last = getattr(self.reader, "ends", None)
        if last is not None and batch.place is not None and batch.place.equal(events.ends - 1):
            return cast(Tensor, last(values, events))
        states = self.reader(values, events)
        return states if batch.place is None else pick(states, batch.place)

    def _asked(self, states: Tensor) -> Tensor:
        """[B, D], and a 1 for the bias of items."""
        return states if self.bias is None else functional.pad(states, (0, 1), value=1.0)

    def _answers(self, inputs: Tensor) -> Tensor:
        table = inputs if self.answers is None else cast(Any, self.answers)()
        return table if self.bias is None else torch.cat([table, self.bias[:, None]], 1)
