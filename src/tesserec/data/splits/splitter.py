"""The contract of a split: say of each event which part it belongs to; the rest is shared."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Self

import polars as pl
import torch
from pydantic import Field, model_validator
from torch import Tensor

from tesserec.core import Asked, Dataset, Seen, Spec, Split
from tesserec.core.errors import BadData, BadSpec, NoOrder
from tesserec.data.splits.holdouts import Asking, hold_out

TRAIN, VALID, TEST, NOWHERE = 0, 1, 2, 3

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Parts:
    """The part of each event, and what a reader of a report should know of it."""

    of_event: Tensor  # [n] TRAIN, VALID, TEST or NOWHERE
    notes: tuple[str, ...] = ()


class Splitter(Spec):
    """A way to tell what may be learned from what is asked."""

    requests: Asked = "user"
    seen: Seen = "exclude"
    shortest: Annotated[int, Field(ge=0)] = 0  # events a history must hold to be asked with

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        """Shares of a whole must leave something to learn from; counts may be anything."""
        parts = [getattr(self, name, 0) for name in ("valid", "test")]
        if sum(part for part in parts if isinstance(part, float)) >= 1:
            raise BadSpec(
                f"valid = {parts[0]} and test = {parts[1]} leave nothing to learn from.",
                "Hold out less.",
            )
        return self

    @abstractmethod
    def parts(self, data: Dataset) -> Parts:
        """Which part each event belongs to. Raises `NoOrder` or `BadData` where it cannot say."""

    def split(self, data: Dataset) -> Split:
        """Training data, and what is held out for validation and test."""
        if not len(data.interactions):
            raise BadData("There are no events to split.", "Import some interactions.")
        parts = self.parts(data)
        if not bool((parts.of_event == TRAIN).any()):
            raise BadData("This split leaves no training events.", "Hold out less.")
        if not bool((parts.of_event == TEST).any()):
            raise BadData("This split leaves no test events.", "Hold out more.")
        if self.requests != "user" and data.interactions.clock == "none":
            raise NoOrder(
                f'requests = "{self.requests}" needs to know what came before an event.',
                'Import a time or position column, or use requests = "user".',
            )
        train = _train(data, parts)
        asking = Asking(self.requests, self.seen, self.shortest)
        valid = None
        if bool((parts.of_event == VALID).any()):
            valid = hold_out(data, train, parts.of_event, VALID, asking)
        test = hold_out(data, train, parts.of_event, TEST, asking)
        if not len(test):
            why = ", ".join(f"{count:,} {what}" for what, count in test.left_out.items() if count)
            raise BadData(
                f"Nothing is left to ask; left out were {why}.",
                'Hold out more, or use seen = "allow" and a smaller `shortest`.',
            )
        source = {
            "data": data.name,
            "fingerprint": data.fingerprint,
            "split": self.to_dict(),
            "notes": list(parts.notes),
        }
        kept = valid if valid is not None and len(valid) else None
        return Split(
            train,
            None if kept is None else replace(kept, source=source),
            replace(test, source=source),
            parts.notes,
        )


def labelled(data: Dataset, splitter: Splitter) -> tuple[Dataset, dict[str, int]]:
    """The data with the part of each event in the column `split`, and how many each part has."""
    names = pl.Series(["train", "valid", "test", "unused"])
    column = names.gather(splitter.parts(data).of_event.numpy()).alias("split")
    frame = data.interactions.frame.with_columns(column)
    counts = {name: int((column == name).sum()) for name in names if (column == name).any()}
    return replace(data, interactions=replace(data.interactions, frame=frame)), counts


def _train(data: Dataset, parts: Parts) -> Dataset:
    kept = data.interactions.keep(pl.Series((parts.of_event == TRAIN).numpy()))
    frame = kept.frame.drop("split", strict=False)
    return replace(data, interactions=replace(kept, frame=frame))


def ordered_by(data: Dataset, why: str) -> None:
    """Raise `NoOrder` unless each user's events have an order."""
    if data.interactions.clock == "none":
        raise NoOrder(f"{why} needs an order, and these events have no time.", "Use ByUser().")


def shuffled(count: int, seed: int) -> Tensor:
    """A number in [0, 1) for each of `count` things: [count]"""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, generator=generator, dtype=torch.float64)


def places_at_random(users: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """A random place for each event among its user's, and how many that user has: [n], [n]"""
    by_user = torch.argsort(users + shuffled(len(users), seed))
    lengths = torch.bincount(users, minlength=count)
    starts = lengths.cumsum(0) - lengths
    places = torch.empty_like(users)
    places[by_user] = torch.arange(len(users)) - starts[users[by_user]]
    return places, lengths[users]


def by_end(data: Dataset, rows: Tensor, seed: int) -> tuple[Tensor, str]:
    """The sessions of these events, the one that ended first first, and what told: [S]

    Places in a row do not tell which session was earlier: then sessions whose ids are numbers are
    taken to be numbered as they came, and others are shuffled.
    """
    users = data.interactions.users[rows]
    sessions = users.unique()
    if data.interactions.clock == "seconds":
        ends = torch.zeros(len(data.catalog.users), dtype=torch.int64)
        times = data.interactions.column("time")[rows]
        ends.scatter_reduce_(0, users, times, "amax", include_self=False)
        return sessions[ends[sessions].argsort(stable=True)], "ordered by their last event"
    if data.catalog.users.ids.dtype.is_numeric():
        return sessions, "ordered by number"
    return sessions[shuffled(len(sessions), seed).argsort()], f"shuffled with seed {seed}"
