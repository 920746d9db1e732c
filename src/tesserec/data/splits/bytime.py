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
                "These events cannot be split by time: all of them share one.",
                "Use ByUser(), or import a finer time.",
            )
        parts = torch.full((len(time),), TRAIN, dtype=torch.int8)
        parts[time >= valid_from] = VALID
        parts[time >= test_from] = TEST
        if self.valid == 0:
            parts[parts == VALID] = TRAIN
        return Parts(parts)


def _moment(time: Tensor, share: float) -> int | None:
    """When `share` of all events were over, but never the first moment; None if it is the only."""
    ordered = time.sort().values
    place = min(max(round(share * len(ordered)), 1), len(ordered) - 1)
    later = ordered[ordered > ordered[0]]
    return max(int(ordered[place]), int(later[0])) if len(later) else None
