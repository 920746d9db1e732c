"""What people did: what the data say, and after that what the server was told."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from tesserec.core import Clock, Dataset, Histories, Ragged
from tesserec.serve.rows import Event

Rows = NDArray[np.int64]
Beside = NDArray[Any] | None  # numbers of whatever kind


@dataclass(frozen=True)
class Past:
    """One history; what is beside it is None where nothing of the kind is known."""

    items: Rows  # [n]
    time: Beside = None
    kind: Beside = None
    weight: Beside = None
    _: KW_ONLY
    is_forgotten: bool = False  # whose place in the data and in the model is not looked at


NOTHING = Past(np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class People:
    """Histories of the data, as rows of one model, and how later events are put after them."""

    rows: Mapping[str, int]  # a user's id -> the row in `histories`
    histories: Histories
    clock: Clock
    kinds: Mapping[str, int]
    known: Rows  # the row of each in the model, -1 for those it has not met

    @classmethod
    def of(cls, data: Dataset, histories: Histories, known: Rows) -> "People":
        """`histories` and `known` are those of the data's users, in the rows of a model."""
        ids = texts_of(data.catalog.users.ids)
        rows = dict(zip(ids, range(len(ids)), strict=True))
        kinds = {kind: code for code, kind in enumerate(data.interactions.kinds)}
        return cls(rows, histories, data.interactions.clock, kinds, known)

    def past(
        self,
        user: str,
        later: Sequence[Event],
        items: Mapping[str, int],
        is_forgotten: bool = False,
    ) -> Past:
        """Everything somebody did with items that the model knows; nothing twice.

        Of the forgotten only what they did later.
        """
        if is_forgotten:
            later_alone = self._joined(self._told(None), later, items)
            return replace(later_alone, is_forgotten=True)
        return self._joined(self._told(self.rows.get(user)), later, items)

    def _joined(self, there: Past, later: Sequence[Event], items: Mapping[str, int]) -> Past:
        events = [event for event in later if event.item in items]
        if not events:
            return there
        # Data that were read again after the server was told of events hold these, too.
        if there.time is not None and self.clock == "seconds" and len(there.items):
            held = set(zip(there.items.tolist(), there.time.tolist(), strict=True))
            events = [one for one in events if (items[one.item], one.time) not in held]
        return _after(there, self._past_of(events, there, items))

    def _told(self, row: int | None) -> Past:
        """What the data say of one user."""
        if row is None:
            return Past(NOTHING.items, *(None if one is None else one[:0] for one in self._beside))
        place = slice(int(self._starts[row]), int(self._ends[row]))
        return Past(self._items[place], *(None if b is None else b[place] for b in self._beside))

    def _past_of(self, events: Sequence[Event], before: Past, items: Mapping[str, int]) -> Past:
        """Events as arrays, with what is known beside the data's."""
        rows = np.array([items[event.item] for event in events], np.int64)
        time = kind = weight = None
        if before.time is not None:
            place = 1 + int(before.time[-1]) if len(before.time) else 0
            times = [event.time or 0 for event in events]
            ordered = range(place, place + len(events))
            time = np.array(times if self.clock == "seconds" else ordered, np.int64)
        if before.kind is not None:
            kind = np.array([self.kinds.get(one.kind or "", -1) for one in events], np.int64)
        if before.weight is not None:
            weights = [1.0 if event.weight is None else event.weight for event in events]
            weight = np.array(weights, before.weight.dtype)
        return Past(rows, time, kind, weight)

    # Plain arrays, as cutting a tensor for each question takes ten times as long.
    @cached_property
    def _items(self) -> Rows:
        return self.histories.items.values.numpy()

    @cached_property
    def _starts(self) -> Rows:
        return self.histories.items.starts.numpy()

    @cached_property
    def _ends(self) -> Rows:
        return self.histories.items.ends.numpy()

    @cached_property
    def _beside(self) -> tuple[Beside, ...]:
        histories = self.histories
        beside = (histories.time, histories.kind, histories.weight)
        return tuple(None if one is None else one.numpy() for one in beside)


def joined(pasts: Sequence[Past]) -> Histories:
    """Histories of one batch, all with the same beside them."""
    lengths = torch.tensor([len(past.items) for past in pasts])
    return Histories(
        Ragged.packed(torch.from_numpy(np.concatenate([past.items for past in pasts])), lengths),
        _column([past.time for past in pasts]),
        _column([past.kind for past in pasts]),
        _column([past.weight for past in pasts]),
    )


def texts_of(ids: pl.Series) -> list[str]:
    """Ids as clients write them."""
    return ids.cast(pl.String).to_list()


def _after(first: Past, then: Past) -> Past:
    def both(a: Beside, b: Beside) -> Beside:
        return None if a is None or b is None else np.concatenate([a, b])

    return Past(
        np.concatenate([first.items, then.items]),
        both(first.time, then.time),
        both(first.kind, then.kind),
        both(first.weight, then.weight),
    )


def _column(parts: Sequence[Beside]) -> torch.Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.from_numpy(np.concatenate(there)) if len(there) == len(parts) and there else None
