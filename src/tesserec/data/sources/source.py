"""The contract of a source: recognise a path, and say which tables lie there and what they mean.

A source reads nothing but headers. What it hands over is read, checked and numbered by `intake`,
in one way for all of them.
"""

from abc import abstractmethod
from pathlib import Path

from tesserec.core import Spec
from tesserec.data.intake import Raw


class Source(Spec):
    """A kind of place that data come from."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether this source reads what lies at `path`; at most one source does."""

    @abstractmethod
    def tables(self, path: Path) -> Raw:
        """The tables there. Raises `BadData` where they are not what they should be."""
