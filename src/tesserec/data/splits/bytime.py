"""ByTime: learn from the past, be asked about the future."""

import torch
from torch import Tensor

from tesserec.core import Dataset
from tesserec.core.errors import BadData, NoOrder
from tesserec.data.splits.splitter import TEST, TRAIN, VALID, Parts, Share, Splitter


class ByTime(Splitter):
    """One moment for everybody after which nothing is known; events at one moment stay together."""

    valid: Share = 0.1  # share of all events
    test: Share = 0.1

    def parts(self, data: Dataset) -> Parts:
        if data.interactions.clock != "seconds":
            raise NoOrder(
                "A split by time needs times that mean the same for everybody.",
                "Use LeaveLast() for positions, ByUser() where there is no order.",
            )
        time = data.interactions.column("time")
        test_from = _moment(time, 1 - self.test)
        valid_from = _moment(time, 1 - self.test - self.valid)
        if test_from is None or valid_from is None:
            raise BadData(
                "The times are too much alike to split by: most events share one.",
                "Use ByUser(), or import a finer time.",
            )
        parts = torch.full((len(time),), TRAIN, dtype=torch.int8)
        parts[time >= valid_from] = VALID
        parts[time >= test_from] = TEST
        if self.valid == 0:
            parts[parts == VALID] = TRAIN
        return Parts(parts)


def _moment(time: Tensor, share: float) -> int | None:
    """The earliest moment that has at least `share` of the events before it; None if none has."""
    ordered = time.sort().values
    place = min(max(round(share * len(ordered)), 1), len(ordered) - 1)
    moment = int(ordered[place])
    return moment if int(ordered[0]) < moment else None
