"""Index: how the items with the largest inner products are found without looking at all of them."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor

from tesserec.core import Spec


class Searcher(Protocol):
    """An index that was built. It finds items by their rows, best first, as well as it can."""

    def search(self, queries: Tensor, count: int) -> Tensor:
        """Rows of items near the top for each query, -1 where it found no more: [B, count]"""
        ...


class Index(Spec):
    """A kind of index and its settings."""

    is_exact: ClassVar[bool] = False  # whether it finds what looking at all items would

    @abstractmethod
    def build(self, items: Tensor) -> Searcher:
        """From the vectors of all items: [I, D]"""

    def grown(self, searcher: Any, items: Tensor, known: int) -> Searcher:
        """One more for the same items with others behind them: [I, D], the first `known` its own.

        What is given is left as it is.
        """
        return self.build(items)

    @abstractmethod
    def write(self, searcher: Any, folder: Path) -> None:
        """What `read` needs besides the vectors, into files in a folder."""

    @abstractmethod
    def read(self, folder: Path, items: Tensor) -> Searcher:
        """What was built, from its folder and the same vectors."""
