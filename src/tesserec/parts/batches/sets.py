"""Sets: a step sees (user, item) pairs, each beside some of what else the user chose.

Liu et al., arXiv:2404.16555 (MMGRec): histories without an order. Their code draws a user's items
once and leaves the target among them, which teaches to copy; here both are choices.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Dataset, Ragged
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel
from tesserec.parts.batches.packed import Packed
from tesserec.parts.batches.pairs import PairEpochs, Pairs
from tesserec.parts.batches.sequences import SequenceBatch, few_of_each
from tesserec.training import Batches

Count = Annotated[int, Field(ge=1)]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Sets(Batches):
    """Distinct pairs, once per epoch; at most `length` of the user's other items are read."""

    size: Count = 1024  # pairs per step
    length: Count = 32  # S
    resampled: bool = True  # who chose more is read anew each time; else always the same part
    target_out: bool = True  # what is to be found is not read
    each: Count | None = None  # pairs of a user in an epoch, drawn anew; None: all of them

    def __call__(self, data: Dataset) -> "SetEpochs":
        return SetEpochs(self, data)


class SetEpochs:
    """Pairs over some data, and what is read beside them."""

    def __init__(self, batches: Sets, data: Dataset) -> None:
        self.batches = batches
        self.pairs = PairEpochs(Pairs(negatives=0), data)
        chosen = data.positives
        self.read = chosen if batches.resampled else some(chosen, batches.length)

    def __len__(self) -> int:
        counts = torch.bincount(self.pairs.users)
        if self.batches.each is not None:
            counts = counts.clamp(max=self.batches.each)
        return math.ceil(int(counts.sum()) / self.batches.size)

    def __call__(self, generator: torch.Generator) -> Iterator[SequenceBatch]:
        each = self.batches.each or len(self.pairs.rows)
        order = few_of_each(self.pairs.users, each, generator)
        for places in order.split(self.batches.size):
            yield self._batch(places, generator)

    def _batch(self, places: Tensor, generator: torch.Generator) -> SequenceBatch:
        """Some pairs, the longest sets first."""
        users, items = self.pairs.users[places], self.pairs.items[places]
        out = items if self.batches.target_out else torch.full_like(items, -1)
        key = int(torch.randint(2**62, (1,), generator=generator))
        keys = key + torch.arange(len(users))  # a row of its own for each pair
        sets = sampled(self.read[users], out, self.batches.length, keys)
        # Where nothing else was chosen, -1 stands for that.
        lengths, longest_first = sets.lengths.clamp(min=1).sort(descending=True, stable=True)
        padded = Ragged(
            torch.cat([sets.values, sets.values.new_full((1,), -1)]),
            torch.where(sets.lengths > 0, sets.starts, len(sets.values)),
            torch.where(sets.lengths > 0, sets.ends, len(sets.values) + 1),
        )
        events = Packed(padded[longest_first].pairs()[1], lengths)
        rows = self.pairs.rows[places][longest_first]
        return SequenceBatch(
            rows,
            users[longest_first],
            events,
            events.ends - 1,
            items[longest_first],
            None,
            torch.ones(len(rows)),
        )


def some(rows: Ragged, width: int) -> Ragged:
    """The distinct items of each row, upwards; of more than `width` always the same part."""
    owner, items = rows.pairs()
    pairs = torch.stack([owner, items]).unique(dim=1)
    distinct = Ragged.packed(pairs[1], torch.bincount(pairs[0], minlength=len(rows)))
    if not len(items) or int(distinct.lengths.max()) <= width:
        return distinct
    # The numbers of a row depend on what it holds, and not on who else is asked about.
    first = torch.where(distinct.lengths > 0, distinct.starts, 0)
    keys = distinct.values[first] * 1_000_003 + distinct.lengths
    return sampled(distinct, torch.full_like(keys, -1), width, keys)


def sampled(rows: Ragged, out: Tensor, width: int, keys: Tensor) -> Ragged:
    """At most `width` values of each row, drawn evenly and in their order, without one [B].

    Numbers are drawn from a key for each row [B].
    """
    lengths = rows.lengths
    kept = np.empty(len(rows), np.int64)
    wide = torch.minimum(lengths, torch.tensor(width))
    places = (wide.cumsum(0) - wide).numpy()
    values = np.empty(int(wide.sum()), np.int64)
    arrays = [one.numpy() for one in (rows.values, rows.starts, rows.ends, out)]
    bounds = balanced(lengths.cumsum(0).numpy())
    in_parallel(
        _sample, bounds, *arrays, keys.numpy().astype(np.uint64), width, places, values, kept
    )
    starts = torch.from_numpy(places)
    return Ragged(torch.from_numpy(values), starts, starts + torch.from_numpy(kept))


@kernel()
def _sample(  # type: ignore[no-untyped-def]
    values, starts, ends, out, keys, width, places, drawn, kept, first, last
):
    for row in range(first, last):
        left = 0  # candidates not yet looked at
        for place in range(starts[row], ends[row]):
            left += values[place] != out[row]
        wanted = min(left, width)
        at = places[row]
        for place in range(starts[row], ends[row]):
            if values[place] == out[row]:
                continue
            take = wanted >= left
            if not take and wanted > 0:
                # splitmix64 of a counter: a number of its own for every place.
                bits = (keys[row] * _GOLDEN) ^ (np.uint64(place - starts[row] + 1) * _GOLDEN)
                bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                bits = bits ^ (bits >> np.uint64(31))
                chance = np.float64(bits >> np.uint64(11)) * 2.0**-53
                take = chance * left < wanted
            left -= 1
            if take:
                drawn[at] = values[place]
                at += 1
                wanted -= 1
        kept[row] = at - places[row]
