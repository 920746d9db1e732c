"""Ways to split, one a file, and the one taken when nobody says."""

from tesserec.core import Dataset
from tesserec.data.splits.byitem import ByItem
from tesserec.data.splits.bysession import BySession
from tesserec.data.splits.bytime import ByTime
from tesserec.data.splits.byuser import ByUser
from tesserec.data.splits.coldstart import ColdStart
from tesserec.data.splits.leavelast import LeaveLast
from tesserec.data.splits.published import Published
from tesserec.data.splits.splitter import Parts, Splitter, labelled

__all__ = [
    "ByItem",
    "BySession",
    "ByTime",
    "ByUser",
    "ColdStart",
    "LeaveLast",
    "Parts",
    "Published",
    "Splitter",
    "default_split",
    "labelled",
]


def default_split(data: Dataset) -> Splitter:
    """Published where there is one, else by time, else each user's last, else by ratio."""
    if "split" in data.interactions.frame.columns:
        return Published()
    clocks = {"seconds": ByTime(), "order": LeaveLast(), "none": ByUser()}
    return clocks[data.interactions.clock]
