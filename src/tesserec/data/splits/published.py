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
    places_at_random,
)

_NAMES = {"train": TRAIN, "valid": VALID, "test": TEST}


class Published(Splitter):
    """What others used; where no validation part is published, some training rows become one."""

    valid: Share = 0.1  # share of a user's training rows, where none are published
    seed: int = 0

    def parts(self, data: Dataset) -> Parts:
        frame = data.interactions.frame
        if "split" not in frame.columns:
            raise BadData(
                "These data have no published split.",
                "Choose another one: --split time, last, users or items.",
            )
        names = frame["split"].cast(pl.String).fill_null("")
        codes = names.replace_strict(_NAMES, default=NOWHERE, return_dtype=pl.Int8)
        parts = torch.from_numpy(codes.to_numpy().copy())
        notes = []
        elsewhere = sorted(set(names.unique()) - set(_NAMES))
        if elsewhere:
            notes.append(f"Events of the parts {', '.join(map(repr, elsewhere))} are not used.")
        if not bool((parts == VALID).any()) and self.valid > 0:
            notes.append(
                f"No validation part is published: {self.valid:.0%} of each user's training rows "
                f"(seed {self.seed}) are held out to choose the model, and are not learned from."
            )
            self._hold_out(data, parts)
        return Parts(parts, tuple(notes))

    def _hold_out(self, data: Dataset, parts: torch.Tensor) -> None:
        """Mark a seeded share of each user's training rows as validation."""
        rows = torch.nonzero(parts == TRAIN)[:, 0]
        users = data.interactions.users[rows]
        place, events = places_at_random(users, len(data.catalog.users), self.seed)
        parts[rows[place < (events * self.valid).round()]] = VALID
