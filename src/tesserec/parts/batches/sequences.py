"""Sequences: a step sees histories, and after each of their events the one that came next.

A row per person (or per window of a long history), packed without padding. `Prefixes` sees one
target per row, for methods that have only the state at the end.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Dataset, Ragged
from tesserec.core.errors import BadData
from tesserec.parts.batches.packed import Packed
from tesserec.parts.negatives import Draw, Drawn, Negatives, Uniform
from tesserec.training import Batches

Count = Annotated[int, Field(ge=1)]


@dataclass(eq=False)
class SequenceBatch:
    """S packed sequences, and E events that came next."""

    row: Tensor  # [E] the event
    user: Tensor  # [E] whose it is
    events: Packed  # [T] what came before
    place: Tensor | None  # [E] after which of the T events each came; None: T = E, in order
    positive: Tensor  # [E] what came
    negative: Drawn | None  # None where none were asked for
    weight: Tensor  # [E]
    step: int = 0

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, share: slice) -> "SequenceBatch":
        """Some of the examples, with the sequences they need."""
        place = torch.arange(len(self)) if self.place is None else self.place.cpu()
        place = place[share]
        events, sequence = self.events, self.events.sequence.cpu()
        if not len(place):
            first, last = 0, 1
        else:
            first, last = int(sequence[place].min()), int(sequence[place].max()) + 1
        inside = slice(int(events.starts[first]), int(events.ends[last - 1]))
        return replace(
            self,
            row=self.row[share],
            user=self.user[share],
            events=replace(
                events,
                items=events.items[inside],
                lengths=events.lengths[first:last],
                time=None if events.time is None else events.time[inside],
                kind=None if events.kind is None else events.kind[inside],
            ),
            place=(place - inside.start).to(self.row.device),
            positive=self.positive[share],
            negative=None if self.negative is None else self.negative[share],
            weight=self.weight[share],
        )

    def to(self, device: torch.device) -> "SequenceBatch":
        """The same batch with its tensors on a device."""
        if device == self.row.device:
            return self
        return replace(
            self,
            row=self.row.to(device),
            user=self.user.to(device),
            events=self.events.to(device),
            place=None if self.place is None else self.place.to(device),
            positive=self.positive.to(device),
            negative=None if self.negative is None else self.negative.to(device),
            weight=self.weight.to(device),
        )


class Sequences(Batches):
    """Each person's last events as one row, every one but the first a target.

    With a `stride`, longer histories are further rows, whose ends lie so many events apart.
    """

    last_only: ClassVar[bool] = False  # only the last event of a row is a target

    size: Count = 128  # rows per step
    length: Count = 50  # events read at most, n
    stride: Count | None = None  # None: earlier events are not learned from
    negatives: Annotated[int, Field(ge=0)] = 1  # per target; 0: none are drawn
    sampler: Negatives = Uniform()

    def __call__(self, data: Dataset) -> "SequenceEpochs":
        return SequenceEpochs(self, data)

    def windows(self, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of histories of these lengths [U]: whose each row is, where it begins and ends: 3 x [R]

        The last event of a row is its last target, and is not read.
        """
        owners = torch.nonzero(lengths > 1)[:, 0]
        counts = torch.ones_like(owners)
        if self.stride is not None:
            beyond = (lengths[owners] - (self.length + 1)).clamp(min=0)
            wanted = (beyond + self.stride - 1) // self.stride
            counts += torch.minimum(wanted, (lengths[owners] - 2) // self.stride)
        owner, back = repeated(owners, counts)
        ends = lengths[owner] - back * (self.stride or 0)
        return owner, (ends - self.length - 1).clamp(min=0), ends


class Prefixes(Sequences):
    """Every event but each person's first is the one target of a row: what came before it."""

    last_only: ClassVar = True

    size: Count = 256
    each: Count | None = None  # prefixes of a person in a pass, drawn anew; None: all of them

    def windows(self, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        counts = (lengths - 1).clamp(min=0)
        owner, number = repeated(torch.arange(len(lengths)), counts)
        ends = number + 2
        return owner, (ends - self.length - 1).clamp(min=0), ends

    def __call__(self, data: Dataset) -> "SequenceEpochs":
        return SequenceEpochs(self, data) if self.each is None else SomePrefixes(self, data)


def repeated(owners: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Each owner [U] as often as its count [U], and the number of each such row: [R], [R]"""
    owner = torch.repeat_interleave(owners, counts)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    return owner, torch.arange(len(owner)) - first


class SequenceEpochs:
    """Rows over some data."""

    def __init__(self, batches: Sequences, data: Dataset) -> None:
        self.batches, self.histories = batches, data.histories
        history = self.histories.items
        self.owner, first, last = batches.windows(history.lengths)
        if not len(self.owner):
            raise BadData(
                "Nobody has two events, so nothing comes after anything.",
                "Import more events per person, or take a method that needs no order.",
            )
        begin = history.starts[self.owner]
        self.rows = Ragged(history.values, begin + first, begin + last)
        users = data.interactions.frame["user"].to_numpy()
        self.event = torch.from_numpy(np.argsort(users, kind="stable"))  # of a place in histories
        self.draw: Draw | None = batches.sampler.over(data) if batches.negatives else None

    def __len__(self) -> int:
        return math.ceil(self.count / self.batches.size)

    @property
    def count(self) -> int:
        """Rows in a pass."""
        return len(self.rows)

    def order(self, generator: torch.Generator) -> Tensor:
        """The rows of a pass: [count]"""
        return torch.randperm(len(self.rows), generator=generator)

    def __call__(self, generator: torch.Generator) -> Iterator[SequenceBatch]:
        order = self.order(generator)
        for start in range(0, len(order), self.batches.size):
            chosen = order[start : start + self.batches.size]
            longest_first = self.rows[chosen].lengths.argsort(descending=True, stable=True)
            yield self._batch(chosen[longest_first], generator)

    def _batch(self, rows: Tensor, generator: torch.Generator) -> SequenceBatch:
        """What is read of some rows, longest first, and what came next."""
        window = self.rows[rows]
        lengths = window.lengths - 1
        _, places = Ragged(window.values, window.starts, window.ends - 1).places()
        events = Packed.at(self.histories, places, lengths)
        if self.batches.last_only:
            place, targets, owner = events.ends - 1, window.ends - 1, self.owner[rows]
        else:
            place, targets = None, places + 1
            owner = torch.repeat_interleave(self.owner[rows], lengths)
        positive = window.values[targets]
        drawn = None
        if self.draw is not None:
            drawn = self.draw(owner, positive, self.batches.negatives, generator)
        weight = torch.ones(len(positive))
        return SequenceBatch(self.event[targets], owner, events, place, positive, drawn, weight)


class SomePrefixes(SequenceEpochs):
    """A few prefixes of each person in a pass, others in the next."""

    def __init__(self, batches: Prefixes, data: Dataset) -> None:
        super().__init__(batches, data)
        self.each = batches.each or len(self.rows)

    @property
    def count(self) -> int:
        return int(torch.bincount(self.owner).clamp(max=self.each).sum())

    def order(self, generator: torch.Generator) -> Tensor:
        return few_of_each(self.owner, self.each, generator)


def few_of_each(owner: Tensor, each: int, generator: torch.Generator) -> Tensor:
    """Rows drawn so that nobody owns more than `each`, in any order: [R] -> [n]"""
    chance = torch.rand(len(owner), generator=generator, dtype=torch.float64)
    mixed = torch.argsort(2 * owner + chance)  # each person's rows in an order of its own
    counts = torch.bincount(owner)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    drawn = mixed[torch.arange(len(mixed)) - first < each]
    return drawn[torch.randperm(len(drawn), generator=generator)]
