"""ByItem: hold out items with all their events, as if they were new."""

import torch

from tesserec.core import Dataset
from tesserec.data.splits.splitter import TEST, TRAIN, VALID, Parts, Share, Splitter, shuffled


class ByItem(Splitter):
    """Cold start: no event of a held-out item is learned from; its content is in the catalogue."""

    valid: Share = 0.1  # share of the items that have events
    test: Share = 0.1
    seed: int = 0

    def parts(self, data: Dataset) -> Parts:
        chance = shuffled(len(data.catalog.items), self.seed)
        chance[data.popularity == 0] = torch.inf
        place = chance.argsort().argsort()
        known = int((data.popularity > 0).sum())
        of_item = torch.full((len(chance),), TRAIN, dtype=torch.int8)
        of_item[place < round(known * (self.test + self.valid))] = VALID
        of_item[place < round(known * self.test)] = TEST
        return Parts(of_item[data.interactions.items])
