"""Negatives: items a person did not choose, to be told apart from those they did.

Draws are exact (never a positive of that user) and take one step each: a number r below the count
of allowed items is mapped to the r-th item that is not among the user's sorted positives.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Dataset, Ragged, Spec
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, even, in_parallel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The negatives of a batch: a list per example [E, N], one list for all [N], or all items."""

    items: Tensor | None  # None: every item of the catalogue
    excluded: tuple[Tensor, Tensor] | None = None  # (example, place) pairs that do not count
    log_chance: Tensor | None = None  # [N] or [E, N], log of the chance of each draw, where uneven
    catalogue: int = 0  # how many items they were drawn from

    def __getitem__(self, share: slice) -> "Drawn":
        """The negatives of some of the examples."""
        items, excluded, log_chance = self.items, self.excluded, self.log_chance
        if items is not None and items.ndim == 2:
            items = items[share]
        if log_chance is not None and log_chance.ndim == 2:
            log_chance = log_chance[share]
        if excluded is not None:
            first, last, _ = share.indices(2**62)
            inside = (excluded[0] >= first) & (excluded[0] < last)
            excluded = (excluded[0][inside] - first, excluded[1][inside])
        return replace(self, items=items, excluded=excluded, log_chance=log_chance)

    def to(self, device: torch.device) -> "Drawn":
        """The same negatives on a device."""
        return Drawn(
            None if self.items is None else self.items.to(device),
            None
            if self.excluded is None
            else (self.excluded[0].to(device), self.excluded[1].to(device)),
            None if self.log_chance is None else self.log_chance.to(device),
            self.catalogue,
        )


Draw = Callable[[Tensor, Tensor, int, torch.Generator], Drawn]  # users, positives, count


class Negatives(Spec):
    """Where negatives come from."""

    @abstractmethod
    def over(self, data: Dataset) -> Draw:
        """Set up once for some data."""


class Uniform(Negatives):
    """Every item the user did not choose is as likely; each example draws its own."""

    known: bool = False  # only items with events are drawn

    def over(self, data: Dataset) -> Draw:
        positives, items = data.positives, len(data.catalog.items)
        rows = None
        if self.known:
            rows = torch.nonzero(data.popularity > 0)[:, 0]
            place = torch.searchsorted(rows, positives.values)
            positives, items = replace(positives, values=place), len(rows)

        def draw(users: Tensor, _: Tensor, count: int, generator: torch.Generator) -> Drawn:
            drawn = uniform(positives, users, count, items, generator)
            return Drawn(drawn if rows is None else rows[drawn], catalogue=items)

        return draw


class Shared(Negatives):
    """One uniform list for the whole batch, minus each user's own positives.

    The scores of a batch are then one matrix product, so hundreds of negatives cost little.
    """

    def over(self, data: Dataset) -> Draw:
        positives, items = data.positives, len(data.catalog.items)

        def draw(users: Tensor, _: Tensor, count: int, generator: torch.Generator) -> Drawn:
            pool = torch.randint(items, (count,), generator=generator)
            return Drawn(pool, _own(positives, users, pool, items), catalogue=items)

        return draw


class ByPopularity(Negatives):
    """Items as often as their events to some power say, one list for the whole batch.

    Each user's own positives do not count. Objectives correct for uneven chances (log-q), unless
    `corrected` is false.
    """

    power: Annotated[float, Field(ge=0)] = 0.75  # 0: uniform
    corrected: bool = True

    def over(self, data: Dataset) -> Draw:
        positives, items = data.positives, len(data.catalog.items)
        chance = data.popularity.clamp(min=1).double() ** self.power
        chance /= chance.sum()
        upto, log_chance = chance.cumsum(0), chance.log().float()

        def draw(users: Tensor, _: Tensor, count: int, generator: torch.Generator) -> Drawn:
            point = torch.rand(count, generator=generator, dtype=torch.float64)
            pool = torch.searchsorted(upto, point).clamp(max=items - 1)
            own = _own(positives, users, pool, items)
            return Drawn(pool, own, log_chance[pool] if self.corrected else None, items)

        return draw


class InBatch(Negatives):
    """The positives of the other examples, with the chance of each among all distinct pairs."""

    def over(self, data: Dataset) -> Draw:
        positives, items = data.positives, len(data.catalog.items)
        times = torch.bincount(positives.values, minlength=items)
        chance = times.clamp(min=1).double() / max(len(positives.values), 1)
        log_chance = chance.log().float()

        def draw(users: Tensor, chosen: Tensor, _: int, __: torch.Generator) -> Drawn:
            own = _own(positives, users, chosen, items)
            return Drawn(chosen, own, log_chance[chosen], items)

        return draw


class Everything(Negatives):
    """All items but the positive itself: the full softmax."""

    def over(self, data: Dataset) -> Draw:
        items = len(data.catalog.items)

        def draw(_: Tensor, chosen: Tensor, __: int, ___: torch.Generator) -> Drawn:
            return Drawn(None, (torch.arange(len(chosen)), chosen), catalogue=items)

        return draw


def uniform(
    positives: Ragged, users: Tensor, count: int, items: int, generator: torch.Generator
) -> Tensor:
    """Items drawn evenly from those each user did not choose: [E, count].

    `positives` are distinct and sorted within each user. Who chose everything gets a positive.
    """
    key = torch.randint(2**62, (1,), generator=generator)
    drawn = np.empty((len(users), count), dtype=np.int64)
    arrays = [one.numpy() for one in (positives.values, positives.starts, positives.ends, users)]
    bounds = even(len(users), drawn.size)
    in_parallel(_draw_uniform, bounds, *arrays, np.uint64(key.item()), np.int64(items), drawn)
    return torch.from_numpy(drawn)


@kernel()
def _draw_uniform(values, starts, ends, users, key, items, drawn, first, last):  # type: ignore[no-untyped-def]
    count = drawn.shape[1]
    for e in range(first, last):
        start, size = starts[users[e]], ends[users[e]] - starts[users[e]]
        free = items - size
        for n in range(count):
            if free <= 0:
                drawn[e, n] = values[start]
                continue
            # splitmix64 of a counter: a number of its own for every place, whoever computes it.
            bits = key + np.uint64(e * count + n + 1) * _GOLDEN
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            bits = bits ^ (bits >> np.uint64(31))
            rank = np.int64(((bits >> np.uint64(32)) * np.uint64(free)) >> np.uint64(32))
            # The item at `rank` among those left out: `values[m] - m` of them lie below values[m].
            low, high = 0, size
            while low < high:
                middle = (low + high) // 2
                if values[start + middle] - middle <= rank:
                    low = middle + 1
                else:
                    high = middle
            drawn[e, n] = rank + low


def _own(positives: Ragged, users: Tensor, pool: Tensor, items: int) -> tuple[Tensor, Tensor]:
    """(example, place in the pool) wherever the pool holds a positive of the example's user."""
    rows = positives[users]
    places = Ragged.grouped(pool, torch.arange(len(pool)), items)  # where each item is
    ragged = (rows.values, rows.starts, rows.ends, places.values, places.starts, places.ends)
    arrays = [one.numpy() for one in ragged]
    bounds = balanced(rows.lengths.cumsum(0).numpy())
    found = np.zeros(len(users), np.int64)
    in_parallel(_count_own, bounds, *arrays, found)
    ends = found.cumsum()
    example, place = np.empty((2, found.sum()), np.int64)
    in_parallel(_note_own, bounds, *arrays, ends - found, example, place)
    return torch.from_numpy(example), torch.from_numpy(place)


@kernel()
def _count_own(  # type: ignore[no-untyped-def]
    items, starts, ends, places, first_place, end_place, found, first, last
):
    for e in range(first, last):
        for p in range(starts[e], ends[e]):
            found[e] += end_place[items[p]] - first_place[items[p]]


@kernel()
def _note_own(  # type: ignore[no-untyped-def]
    items, starts, ends, places, first_place, end_place, at, example, place, first, last
):
    for e in range(first, last):
        n = at[e]
        for p in range(starts[e], ends[e]):
            for q in range(first_place[items[p]], end_place[items[p]]):
                example[n] = e
                place[n] = places[q]
                n += 1
