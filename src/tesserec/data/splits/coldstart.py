"""ColdStart: known people and items are asked for apart from new ones.

The protocol of Zhang, Zhao, Ma, Xin, de Rijke and Ren, Cold-Starts in Generative Recommendation: A
Reproducibility Study (SIGIR 2026, arXiv 2603.29845).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tesserec.core import Asked, Dataset, Holdout, Seal, Split
from tesserec.core.errors import BadData, BadSpec
from tesserec.data.splits.bytime import ByTime
from tesserec.data.splits.published import Published
from tesserec.data.splits.splitter import TEST, TRAIN, VALID, Parts, Share, Splitter

Count = Annotated[int, Field(ge=1)]


class ColdStart(Splitter):
    """One moment for everybody; what comes after it is asked in settings that are never mixed.

    Known is who or what has training events, new what first appears after the cutoff. `warm`: a
    known user and a known item. `item_cold`: a known user and a new item, ranked among all items;
    `among_cold`: the same requests, new items alone ranked. `user_cold`: a new user with a short
    history and a known item; `user_cold_1` and so on: those whose history is so long. Everything
    else is counted: nothing is asked where both are new. Validation is warm.

    Unless it is published, the cut never goes through a moment; and a history ends before the
    moment of its target: how equal times are ordered changes nothing.
    """

    requests: Asked = "event"
    # Share of all events, the last before the cutoff; the paper names none. Of published parts
    # that have none, a share of each user's training rows.
    valid: Share = 0.1
    test: Share = 0.1  # share of all events, those after the cutoff
    published: bool = False  # instead: the parts that came with the data, which were cut by time
    # First and last length of the histories with which new users are asked; the paper asks after
    # a "few observed events".
    contexts: tuple[tuple[Count, Count], ...] = ((1, 1), (2, 2), (3, 5))

    @model_validator(mode="after")
    def _show_newcomers(self) -> Self:
        if self.requests == "user" or self.seen == "exclude_train":
            raise BadSpec(
                f'With requests = "{self.requests}" and seen = "{self.seen}" nothing is known of '
                "a new user.",
                'Use requests = "event" or "last", and seen = "allow" or "exclude".',
            )
        if not self.contexts or any(first > last for first, last in self.contexts):
            raise BadSpec(
                f"contexts = {self.contexts} are no lengths of histories.",
                "Give the first and last length of each: [[1, 1], [2, 2], [3, 5]].",
            )
        return self

    def parts(self, data: Dataset) -> Parts:
        if not self.published:
            parts = ByTime(valid=self.valid, test=self.test).parts(data)
            return Parts(parts.of_event, (*parts.notes, *_doubts(data)))
        parts = Published(valid=self.valid).parts(data)
        notes = (*parts.notes, *_doubts(data))
        if data.interactions.clock != "seconds":
            return Parts(
                parts.of_event, (*notes, "The published parts are taken to be cut by time.")
            )
        time, of_event = data.interactions.column("time"), parts.of_event
        tested, learned = of_event == TEST, (of_event == TRAIN) | (of_event == VALID)
        if bool(tested.any()) and bool(learned.any()) and time[learned].max() > time[tested].min():
            raise BadData(
                "The published parts are not cut by time: before the last event that is learned "
                "from, some are to be foretold.",
                "Leave out `published`: the events are then cut by their times.",
            )
        return Parts(parts.of_event, notes)

    def split(self, data: Dataset) -> Split:
        whole = super().split(data)
        parts = self.parts(data).of_event
        users = _Met.of(data.interactions.users, parts, len(data.catalog.users))
        items = _Met.of(data.interactions.items, parts, len(data.catalog.items))
        told = f"{users.told('users')} and {items.told('items')} first appear after the cutoff."
        settings = self._settings(whole.test, users, items)
        notes = (*whole.notes, told)
        settings = {
            name: replace(one, source={**one.source, "setting": name, "notes": list(notes)})
            for name, one in settings.items()
            if len(one)
        }
        if "warm" not in settings:
            raise BadData(
                "No known user chose a known item after the cutoff.", "Hold out more: `test`."
            )
        valid = None if whole.valid is None else _warm(whole.valid, users, items)
        return replace(whole, test=settings["warm"], valid=valid, notes=notes, settings=settings)

    def _settings(self, test: Holdout, users: "_Met", items: "_Met") -> Mapping[str, Holdout]:
        user, item = test.requests.user, test.truth.values
        lengths = test.requests.history.items.lengths
        newcomer = users.new[user] & items.known[item]
        fitting = {
            f"user_cold_{first}" if first == last else f"user_cold_{first}-{last}": (
                (first <= lengths) & (lengths <= last)
            )
            for first, last in self.contexts
        }
        short = torch.stack(list(fitting.values())).any(0)
        cold = users.known[user] & items.new[item]
        unasked = {
            "events whose user and item are both new": users.new[user] & items.new[item],
            "events whose user or item first appears in the validation part": (
                users.between[user] | items.between[item]
            ),
            "events of new users with nothing before them": newcomer & (lengths == 0),
            "events of new users with a history of another length": (
                newcomer & (lengths > 0) & ~short
            ),
        }
        left_out = {**test.left_out, **{why: int(rows.sum()) for why, rows in unasked.items()}}
        among = _asked(test, cold)
        return {
            "warm": replace(_asked(test, users.known[user] & items.known[item]), left_out=left_out),
            "item_cold": _asked(test, cold),
            "among_cold": replace(among, requests=replace(among.requests, allowed=items.new)),
            "user_cold": _asked(test, newcomer & short),
            **{name: _asked(test, newcomer & rows) for name, rows in fitting.items()},
        }


@dataclass(frozen=True)
class _Met:
    """Who or what was met when: one of three, or never."""

    known: Tensor  # [n] bool, has training events
    new: Tensor  # [n] bool, has test events alone
    between: Tensor  # [n] bool, first appears where nothing is learned from

    @classmethod
    def of(cls, rows: Tensor, parts: Tensor, count: int) -> Self:
        def met(which: Tensor) -> Tensor:
            return torch.bincount(rows[which], minlength=count) > 0

        known, earlier = met(parts == TRAIN), met(parts != TEST)
        return cls(known, met(parts == TEST) & ~earlier, earlier & ~known)

    def told(self, what: str) -> str:
        return f"{int(self.new.sum()):,} {what}"


def _asked(test: Holdout, rows: Tensor) -> Holdout:
    """Some of the requests, sealed on their own."""
    chosen = test[torch.nonzero(rows)[:, 0]]
    return replace(chosen, truth=chosen.truth.compact(), left_out={}, seal=Seal())


def _warm(valid: Holdout, users: _Met, items: _Met) -> Holdout | None:
    """The requests of known users for known items: nothing new decides when to stop."""
    rows = users.known[valid.requests.user] & items.known[valid.truth.values]
    chosen = valid[torch.nonzero(rows)[:, 0]]
    return replace(chosen, truth=chosen.truth.compact()) if len(chosen) else None


def _doubts(data: Dataset) -> tuple[str, ...]:
    """What came with the data may have been fitted on items that are to be new."""
    there = [*data.catalog.items.vectors, *data.catalog.items.codes]
    if not there:
        return ()
    names = ", ".join(sorted(there))
    return (f"Whether {names} of the items, which came with the data, saw new ones is not known.",)
