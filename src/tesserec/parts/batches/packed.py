"""Packed: many sequences one after the other, longest first, with nothing between them.

What is done to each event alone is done to [T, D], without a padded row. What looks at whole
sequences gets them in groups of similar length, padded on the right to the longest of the group:
[S, W, D]. A causal network needs no mask for such padding, as it lies after everything that is
read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Histories
from tesserec.parts.pick import pick

SIMILAR = 0.7  # of the longest of its group is the shortest sequence, or nearly


@dataclass(frozen=True, eq=False)
class Group:
    """Neighbouring sequences of similar length, seen as one table."""

    events: slice  # their part of [T]
    width: int  # W, the longest
    lengths: Tensor  # [S]
    places: Tensor | None  # [S, W] in the group's events, the last again behind the end; None: even
    flat: Tensor | None  # [t] where each event lies in [S * W]; None: all are of one length

    def padded(self, values: Tensor) -> Tensor:
        """[T, D] -> [S, W, D]"""
        return self.table(values[self.events])

    def table(self, own: Tensor) -> Tensor:
        """The same of the group's own events: [t, D] -> [S, W, D]"""
        if self.places is None:
            return own.view(-1, self.width, *own.shape[1:])
        return pick(own, self.places) if own.ndim == 2 else own[self.places]

    def packed(self, table: Tensor) -> Tensor:
        """[S, W, D] -> [t, D]"""
        rows = table.reshape(-1, *table.shape[2:])
        return rows if self.flat is None else pick(rows, self.flat)

    @property
    def mask(self) -> Tensor | None:
        """Which places hold an event: [S, W]; None where all do."""
        if self.places is None:
            return None
        places = torch.arange(self.width, device=self.lengths.device)
        return places < self.lengths[:, None]


@dataclass(frozen=True, eq=False)
class Packed:
    """S sequences of T events in all, the longest first."""

    items: Tensor  # [T]
    lengths: Tensor  # [S] descending, none of them 0
    time: Tensor | None = None  # [T]
    kind: Tensor | None = None  # [T] codes

    @classmethod
    def of(cls, histories: Histories, longest: int) -> tuple["Packed", Tensor]:
        """The last events of each history, at most `longest`, and which history each is: [S]

        Histories without events are left out.
        """
        rows = histories.items.last(longest)
        lengths, order = rows.lengths.sort(descending=True, stable=True)
        order = order[: int((lengths > 0).sum())]
        _, places = rows[order].places()
        return cls.at(histories, places, lengths[: len(order)]), order

    @classmethod
    def at(cls, histories: Histories, places: Tensor, lengths: Tensor) -> "Packed":
        """The events at these places of the histories' values: [T], as sequences [S]."""
        return cls(
            histories.items.values[places],
            lengths,
            None if histories.time is None else histories.time[places],
            None if histories.kind is None else histories.kind[places],
        )

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device) -> "Packed":
        """The same on a device."""
        if device == self.items.device:
            return self
        return replace(
            self,
            items=self.items.to(device),
            lengths=self.lengths.to(device),
            time=None if self.time is None else self.time.to(device),
            kind=None if self.kind is None else self.kind.to(device),
        )

    @cached_property
    def ends(self) -> Tensor:
        """Where each sequence ends in [T]: [S]"""
        return self.lengths.cumsum(0)

    @cached_property
    def starts(self) -> Tensor:
        """Where each sequence begins in [T]: [S]"""
        return self.ends - self.lengths

    @cached_property
    def sequence(self) -> Tensor:
        """Which sequence each event is of: [T]"""
        numbers = torch.arange(len(self), device=self.lengths.device)
        return torch.repeat_interleave(numbers, self.lengths, output_size=len(self.items))

    @cached_property
    def from_start(self) -> Tensor:
        """The place of each event in its sequence, from 0: [T]"""
        return torch.arange(len(self.items), device=self.items.device) - self.starts[self.sequence]

    @cached_property
    def from_end(self) -> Tensor:
        """How many events of its sequence come after each: [T]"""
        return self.lengths[self.sequence] - 1 - self.from_start

    def earlier(self, values: Tensor, steps: int) -> Tensor:
        """What lay so many events before each in its sequence, or zeros: [T, D] -> [T, D]"""
        if steps == 0:
            return values
        count = min(steps, values.shape[0])
        moved = functional.pad(values[: values.shape[0] - count], (0, 0, count, 0))
        return moved.masked_fill((self.from_start < steps)[:, None], 0.0)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The sequences in groups of similar length, in order."""
        lengths = self.lengths.tolist()
        groups, first, start = [], 0, 0
        while first < len(lengths):
            width = lengths[first]
            last, stop = first, start
            while last < len(lengths) and lengths[last] >= SIMILAR * width - 1:
                stop += lengths[last]
                last += 1
            groups.append(_group(slice(start, stop), width, self.lengths[first:last]))
            first, start = last, stop
        return tuple(groups)

    def padded(self, values: Tensor) -> list[Tensor]:
        """[T, D] -> [S, W, D] of each group. Rows behind the last event are left out."""
        counts = [group.events.stop - group.events.start for group in self.groups]
        behind = len(values) - len(self.items)
        if len(counts) == 1 and not behind:
            return [self.groups[0].table(values)]
        # Cut once: a slice per group would have a gradient as large as all values each.
        parts = values.split([*counts, behind] if behind else counts)
        return [group.table(own) for group, own in zip(self.groups, parts, strict=False)]

    def joined(self, tables: Sequence[Tensor], rows: int | None = None) -> Tensor:
        """[S, W, D] of each group -> [T, D], or as many rows as there are to be, zeros behind."""
        parts = [group.packed(table) for group, table in zip(self.groups, tables, strict=True)]
        if rows is not None and rows > len(self.items):
            parts.append(parts[0].new_zeros(rows - len(self.items), *parts[0].shape[1:]))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def _group(events: slice, width: int, lengths: Tensor) -> Group:
    count = events.stop - events.start
    if count == width * len(lengths):
        return Group(events, width, lengths, None, None)
    starts = lengths.cumsum(0) - lengths
    places = torch.arange(width, device=lengths.device)
    behind = torch.minimum(places, lengths[:, None] - 1)
    inside = places < lengths[:, None]
    return Group(events, width, lengths, starts[:, None] + behind, inside.flatten().nonzero()[:, 0])
