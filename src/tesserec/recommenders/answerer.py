"""What all recommenders that answer from one network share: who made them, and how to be copied."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor, nn

from tesserec.core import Catalog, Entities, Method
from tesserec.core.memory import keep_freed


@dataclass(frozen=True, eq=False)
class Answerer:
    """A network, the catalogue it speaks of, and the method that made it."""

    network: nn.Module
    catalog: Catalog
    method: Method | None = None

    def __post_init__(self) -> None:
        keep_freed()

    def by(self, method: Method) -> Self:
        """The same recommender, described by the method that made it."""
        return replace(self, method=method)

    def tables(self) -> Mapping[str, Tensor]:
        """What it answers from besides the network's weights."""
        return {}

    def with_tables(self, tables: Mapping[str, Tensor]) -> Self:
        """The same recommender, answering from these tables."""
        return self

    def taking(self, tables: Mapping[str, Tensor], items: Entities) -> Self:
        """The same recommender, whose last items are these.

        `tables` are those from before it had them; the network places new items.
        """
        return self.with_tables(tables)
