"""Served: one version of a model with all that answering by id needs, made once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import polars as pl
from torch import Tensor

from tesserec.content import text_columns
from tesserec.core import Answering, Dataset, Entities, Seen
from tesserec.core.errors import BadData, BadRequest
from tesserec.experiment.asking import Desk
from tesserec.recommenders.where import allowed_items
from tesserec.serve.keeping import Version
from tesserec.serve.people import People, texts_of

MASKS = 64  # expressions whose items are remembered


@dataclass(frozen=True, eq=False)
class Served:
    """A question is answered by one of these from beginning to end, so versions never mix."""

    version: Version
    model: Answering
    seen: Seen
    people: People | None  # None where what people did cannot be read
    why_not: str = ""  # then, why
    content: Dataset | None = None  # columns, vectors and pictures, without what people did

    @classmethod
    def load(cls, version: Version, data: str | None) -> "Served":
        """From a run or model folder; `data` goes before what its study names."""
        desk = Desk.of(Path(version.folder), data)
        try:
            people, why_not, content = people_of(desk), "", desk.data.without_events()
        except BadData as error:
            people, why_not, content = None, error.cause, None
        return cls(version, desk.model, desk.seen, people, why_not, content)

    def longer(self, version: Version, model: Answering, data: str | None) -> "Served":
        """The same with a model that has items behind those of this one.

        The data are read again only where they tell of events with these items.
        """
        new = model.catalog.items.ids[len(self.model.catalog.items) :]
        met = self.content is not None and bool((self.content.catalog.items.rows(new) >= 0).any())
        return Served.load(version, data) if met else replace(self, version=version, model=model)

    @cached_property
    def items(self) -> Mapping[str, int]:
        """The row of each item's id."""
        ids = texts_of(self.model.catalog.items.ids)
        return dict(zip(ids, range(len(ids)), strict=True))

    @cached_property
    def shown(self) -> pl.Series:
        """Each item's id and title as the beginning of a JSON object."""
        return beginnings(self.model.catalog.items)

    @cached_property
    def allowed(self) -> "Allowed":
        """Which items an expression keeps; the last few are remembered."""
        return Allowed(self.model.catalog.items)

    def row_of_user(self, user: str) -> int:
        """The row of somebody in the model, -1 for a stranger."""
        if self.people is not None and user in self.people.rows:
            return int(self.people.known[self.people.rows[user]])
        return int(self.model.catalog.users.rows([user])[0])


class Allowed:
    """The items that filters keep, each computed once while it is in use."""

    def __init__(self, items: Entities) -> None:
        self.items = items
        self._of = lru_cache(MASKS)(self._read)

    def __call__(self, where: str | None) -> Tensor | None:
        """[I] bool, None where nobody filters. Raises `BadRequest` saying where it is wrong."""
        return None if where is None else self._of(where)

    def _read(self, where: str) -> Tensor:
        try:
            return allowed_items(self.items, where)
        except BadRequest as error:  # it speaks of an option of the command line
            cure = error.cure and "Write for example: \"category = 'mugs' and price < 10\"."
            raise BadRequest(error.cause.replace("--where", "where"), cure) from None
        except (RecursionError, OverflowError, pl.exceptions.PolarsError):
            raise BadRequest("where: nested too deep, or with a number too large.") from None


def people_of(desk: Desk) -> People:
    """What the data say that people did, in the model's rows. Raises `BadData`."""
    data = desk.data
    known = desk.model.catalog.users.rows(data.catalog.users.ids).numpy()
    return People.of(data, desk.in_model_rows(data.histories), known)


def beginnings(items: Entities) -> pl.Series:
    """`{"id":"7","title":"Seven"` for each item: [I]"""
    table = [items.ids.cast(pl.String).alias("id")]
    columns = text_columns(items.features)
    if columns:
        table.append(items.features[columns[0]].alias("title"))
    objects = pl.DataFrame(table).select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return objects.str.head(-1)
