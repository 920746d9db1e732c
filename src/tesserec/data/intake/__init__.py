"""What comes in: columns are told apart, rows checked, times read, ids given one type.

`assembled` turns what a source hands over into a Dataset, in one way for all sources.
"""

from tesserec.data.intake.assemble import Assembled, assembled
from tesserec.data.intake.columns import is_named, plain
from tesserec.data.intake.media import Kept, kept_media
from tesserec.data.intake.options import Columns, OnError, checked
from tesserec.data.intake.problems import Findings, Problem
from tesserec.data.intake.raw import Knowledge, Links, Media, MediaFolder, Raw, Vectors

__all__ = [
    "Assembled",
    "Columns",
    "Findings",
    "Kept",
    "Knowledge",
    "Links",
    "Media",
    "MediaFolder",
    "OnError",
    "Problem",
    "Raw",
    "Vectors",
    "assembled",
    "checked",
    "is_named",
    "kept_media",
    "plain",
]
