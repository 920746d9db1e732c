"""Published: the parts that came with the data, in the column `split`."""

import polars as pl
import torch

from tesserec.core import Dataset
from tesserec.core.errors import BadData
from tesserec.data.splits.splitter import (
    NOWHERE,
    TEST,
    TRAIN,
    VALID,
    Parts,
    Share,
    Splitter,
    by_end,
    places_at_random,
)

_NAMES = {"train": TRAIN, "valid": VALID, "test": TEST}


class Published(Splitter):
    """What others used; where no validation part is published, some training rows become one."""

    valid: Share = 0.1  # share of a user's training rows, where none are published
    sessions: bool = False  # the share is one of sessions, the last ones, held out whole
    seed: int = 0

    def parts(self, data: Dataset) -> Parts:
        frame = data.interactions.frame
        if "split" not in frame.columns:
            raise BadData(
                "These data have no published split.",
                "Choose another one: --split time, last, users, items or sessions.",
            )
        names = frame["split"].cast(pl.String).fill_null("")
        codes = names.replace_strict(_NAMES, default=NOWHERE, return_dtype=pl.Int8)
        parts = torch.from_numpy(codes.to_numpy().copy())
        notes = []
        elsewhere = sorted(set(names.unique()) - set(_NAMES))
        if elsewhere:
            notes.append(f"Events of the parts {', '.join(map(repr, elsewhere))} are not used.")
        if not bool((parts == VALID).any()) and self.valid > 0:
            hold_out = self._hold_out_sessions if self.sessions else self._hold_out_rows
            notes.append(
                f"No validation part is published: {hold_out(data, parts)} are held out to choose "
                "the model, and are not learned from."
            )
        return Parts(parts, tuple(notes))

    def _hold_out_rows(self, data: Dataset, parts: torch.Tensor) -> str:
        """Mark a seeded share of each user's training rows as validation, and say so."""
        rows = torch.nonzero(parts == TRAIN)[:, 0]
        users = data.interactions.users[rows]
        place, events = places_at_random(users, len(data.catalog.users), self.seed)
        parts[rows[place < (events * self.valid).round()]] = VALID
        return f"{self.valid:.0%} of each user's training rows (seed {self.seed})"

    def _hold_out_sessions(self, data: Dataset, parts: torch.Tensor) -> str:
        """Mark the last sessions of the training part as validation, and say so."""
        rows = torch.nonzero(parts == TRAIN)[:, 0]
        sessions, order = by_end(data, rows, self.seed)
        last = sessions[len(sessions) - round(len(sessions) * self.valid) :]
        parts[rows[torch.isin(data.interactions.users[rows], last)]] = VALID
        return f"the last {self.valid:.0%} of the training sessions ({order})"
