"""ByUser: hold out a random share of each user's events."""

import torch

from tesserec.core import Dataset
from tesserec.data.splits.splitter import (
    TEST,
    TRAIN,
    VALID,
    Parts,
    Share,
    Splitter,
    places_at_random,
)


class ByUser(Splitter):
    """The same ratio for everybody, drawn with a seed; it needs no order, and keeps none."""

    valid: Share = 0.1  # share of each user's events
    test: Share = 0.1
    seed: int = 0

    def parts(self, data: Dataset) -> Parts:
        users = data.interactions.users
        place, events = places_at_random(users, len(data.catalog.users), self.seed)
        test, valid = (events * self.test).round(), (events * self.valid).round()
        parts = torch.full((len(users),), TRAIN, dtype=torch.int8)
        parts[place < test + valid] = VALID
        parts[place < test] = TEST
        return Parts(parts)
