"""Cloze: a step sees windows of histories with some events hidden, and what those were.

Where BERT4Rec's authors hide each window ten times beforehand and go over the ten for ever
(`dupe_factor`), each pass here hides each window anew.
"""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Dataset
from tesserec.parts.batches.packed import Packed
from tesserec.parts.batches.sequences import (
    Count,
    SequenceBatch,
    SequenceEpochs,
    Sequences,
    repeated,
)
from tesserec.parts.negatives import Everything, Negatives


class Cloze(Sequences):
    """Windows of each person's events, a share of which are hidden and are the targets.

    A hidden event is read as item I, one more than there are. With a `stride`, longer histories
    are several windows, whose ends lie so many events apart; the earliest begins at the start.
    """

    size: Count = 256
    length: Annotated[int, Field(ge=2)] = 50  # events of a window, the hidden ones included
    share: Annotated[float, Field(gt=0, le=1)] = 0.6  # of a window that is hidden, at least one
    most: Count = 30  # events hidden of a window
    last: Annotated[float, Field(ge=0, le=1)] = 1 / 11  # of windows hide their last event alone
    sampler: Negatives = Everything()

    def __call__(self, data: Dataset) -> "ClozeEpochs":
        return ClozeEpochs(self, data)

    def windows(self, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        owners = torch.nonzero(lengths > 1)[:, 0]
        counts, stride = torch.ones_like(owners), self.stride or 0
        if stride:
            beyond = (lengths[owners] - self.length).clamp(min=0)
            counts += (beyond + stride - 1) // stride
        owner, back = repeated(owners, counts)
        begins = (lengths[owner] - self.length - back * stride).clamp(min=0)
        return owner, begins, torch.minimum(begins + self.length, lengths[owner])


class ClozeEpochs(SequenceEpochs):
    """Windows over some data, other events hidden in each pass."""

    batches: Cloze

    def __init__(self, batches: Cloze, data: Dataset) -> None:
        super().__init__(batches, data)
        self.mask = len(data.catalog.items)

    def _batch(self, rows: Tensor, generator: torch.Generator) -> SequenceBatch:
        """Some windows, longest first, and what is hidden in them."""
        window = self.rows[rows]
        _, places = window.places()
        events = Packed.at(self.histories, places, window.lengths)
        place = self._hidden(events, generator)
        positive, owner = events.items[place], self.owner[rows][events.sequence[place]]
        drawn = None
        if self.draw is not None:
            drawn = self.draw(owner, positive, self.batches.negatives, generator)
        read = replace(events, items=events.items.index_fill(0, place, self.mask))
        row, weight = self.event[places[place]], torch.ones(len(place))
        return SequenceBatch(row, owner, read, place, positive, drawn, weight)

    def _hidden(self, events: Packed, generator: torch.Generator) -> Tensor:
        """Where events are hidden, in order: [E]"""
        count = (self.batches.share * events.lengths).round().clamp(1, self.batches.most)
        last = torch.rand(len(events), generator=generator) < self.batches.last
        count[last] = 1
        chance = torch.rand(len(events.items), generator=generator, dtype=torch.float64)
        chance[events.ends[last] - 1] = -1.0  # drawn first
        drawn = torch.argsort(2 * events.sequence + chance)  # each sequence in an order of its own
        return drawn[events.from_start < count[events.sequence]].sort().values
