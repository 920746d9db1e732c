"""Pipeline: a recommender that is made of recommenders."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, cast

from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Method, Recommendations, Requests
from tesserec.core.errors import CannotAnswer


@dataclass(frozen=True, eq=False)
class Pipeline(ABC):
    """What all combinations share: they answer, are saved and read back like any recommender.

    Fields that hold recommenders are its parts, the first of them the leading one: requests and
    answers are in the rows of its catalogue. What a pipeline does not do itself (rate given
    items, compare items, give reasons) the first of its parts does that can.
    """

    method: Method | None = field(default=None, kw_only=True)  # a strategy that made all of it

    @abstractmethod
    def recommend(self, requests: Requests, k: int) -> Recommendations:
        """The k best allowed items of each request; a row of -1 where there is no answer."""

    @property
    def parts(self) -> Mapping[str, Answering]:
        """The recommenders it is made of, by the names of their fields; several get numbers."""
        found: dict[str, Answering] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, tuple):
                numbered = {f"{one.name}-{place}": part for place, part in enumerate(value)}
                found |= {name: part for name, part in numbered.items() if is_part(part)}
            elif is_part(value):
                found[one.name] = value
        return found

    @property
    def leading(self) -> Answering:
        """The part whose rows it speaks."""
        return next(iter(self.parts.values()))

    @property
    def catalog(self) -> Catalog:
        """Who and what it speaks of."""
        return self.leading.catalog

    @property
    def network(self) -> nn.Module:
        """What was learned: the network of the only part, or those of all by name."""
        if len(self.parts) == 1:
            return self.leading.network
        return nn.ModuleDict({name: part.network for name, part in self.parts.items()})

    def tables(self) -> Mapping[str, Tensor]:
        """What its parts answer from besides their networks' weights."""
        if len(self.parts) == 1:
            return self.leading.tables()
        return {
            f"{name}.{table}": one
            for name, part in self.parts.items()
            for table, one in part.tables().items()
        }

    def with_tables(self, tables: Mapping[str, Tensor]) -> Self:
        """The same pipeline, its parts answering from these tables."""
        if len(self.parts) == 1:
            return self.with_parts({n: one.with_tables(tables) for n, one in self.parts.items()})
        given: dict[str, dict[str, Tensor]] = {name: {} for name in self.parts}
        for path, one in tables.items():
            name, _, table = path.partition(".")
            given[name][table] = one
        parts = self.parts.items()
        return self.with_parts({name: part.with_tables(given[name]) for name, part in parts})

    def by(self, method: Method) -> Self:
        """The same pipeline, described by the method that made it."""
        return replace(self, method=method)

    @property
    def item_vectors(self) -> Tensor:
        """What items are compared by: [I, D]"""
        for part in self._able:
            found = vectors_of(part)
            if found is not None:
                return found
        raise CannotAnswer(f"No part of this {type(self).__name__} has vectors of items.")

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        """[B, C] -> [B, C]; -inf beside -1."""
        return cast(Tensor, self._first("score", requests, items))

    def similar(self, items: Tensor, k: int) -> Recommendations:
        """The k items nearest to each given one [B], itself left out."""
        return cast(Recommendations, self._first("similar", items, k))

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """For one item per request [B]: a share for each place of the histories, packed: [n]"""
        return cast(Tensor, self._first("shares", requests, items))

    @property
    def _able(self) -> tuple[Any, ...]:
        """The parts in our rows, in the order they are asked to rate, compare and explain."""
        return tuple(self.parts.values())

    def _first(self, name: str, *asked: Any) -> Any:
        """The answer of the first part that has such a method and does not decline."""
        for part in self._able:
            answer = getattr(part, name, None)
            if answer is not None:
                try:
                    return answer(*asked)
                except CannotAnswer:
                    continue
        raise CannotAnswer(f"No part of this {type(self).__name__} {_DOES[name]}.")

    @property
    def spare(self) -> Collection[str]:
        """Parts that may lack items: there are others to answer with them."""
        return ()

    def grown(self, parts: Mapping[str, Answering]) -> Self:
        """The same pipeline of parts with more items; those that are spare may lack them."""
        return self.with_parts(parts)

    def with_parts(self, parts: Mapping[str, Answering], **changes: Any) -> Self:
        """The same pipeline with other recommenders in the place of those named, and changes."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, tuple):
                places = enumerate(value)
                changes[one.name] = tuple(parts.get(f"{one.name}-{n}", old) for n, old in places)
            elif one.name in parts:
                changes[one.name] = parts[one.name]
        return replace(self, **changes)


_DOES = {"score": "rates items", "similar": "compares items", "shares": "can give reasons"}


def vectors_of(part: Any) -> Tensor | None:
    """The table a recommender compares items by, where it has one: [I, D]"""
    try:
        return cast(Tensor | None, getattr(part, "item_vectors", None))
    except CannotAnswer:
        return None


def is_part(value: Any) -> bool:
    """Whether a field's value is a recommender."""
    return hasattr(value, "recommend") and hasattr(value, "catalog")
