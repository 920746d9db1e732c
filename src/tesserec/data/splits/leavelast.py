"""LeaveLast: hold out each user's last events."""

from typing import Annotated

import torch
from pydantic import Field

from tesserec.core import Dataset
from tesserec.data.splits.splitter import TEST, TRAIN, VALID, Parts, Splitter, ordered_by

Count = Annotated[int, Field(ge=0)]


class LeaveLast(Splitter):
    """The last event of each user is asked for, the one before validates.

    Users with too few events to keep one for training stay in training whole.
    """

    valid: Count = 1  # events per user
    test: Annotated[int, Field(ge=1)] = 1

    def parts(self, data: Dataset) -> Parts:
        ordered_by(data, "LeaveLast()")
        users = data.interactions.users
        order = torch.argsort(users, stable=True)  # events are in time order
        lengths = torch.bincount(users, minlength=len(data.catalog.users))
        starts = lengths.cumsum(0) - lengths
        from_end = torch.empty_like(users)
        from_end[order] = (starts + lengths)[users[order]] - torch.arange(len(users))
        parts = torch.full((len(users),), TRAIN, dtype=torch.int8)
        parts[from_end <= self.test + self.valid] = VALID
        parts[from_end <= self.test] = TEST
        few = lengths <= self.test + self.valid
        parts[few[users]] = TRAIN
        count = int((few & (lengths > 0)).sum())
        notes = (
            f"{count} users with at most {self.test + self.valid} events are only learned from.",
        )
        return Parts(parts, notes if count else ())
