"""Look: what pages show of one version of a model beside its answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.content import Undecodable, text_columns
from tesserec.content.folder import facts_of
from tesserec.content.pictures import thumbnail
from tesserec.content.shelf import Shelf
from tesserec.core import Codes, Dataset, Entities, Explainer
from tesserec.core.errors import MissingExtra, NoContent, UnknownId
from tesserec.serve.pages.finder import Finder
from tesserec.serve.people import texts_of
from tesserec.serve.served import Served

PICTURES = 2048  # small pictures that are remembered
SIDE = 160  # pixels of their longest side
LONGEST = 90  # letters of a title


@dataclass(frozen=True)
class Face:
    """How an item is shown."""

    id: str
    title: str
    picture: bool


class Look:
    """Made when somebody first looks, and kept as long as the version is."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.items = served.model.catalog.items
        self.explains = isinstance(served.model, Explainer)  # until it says that it cannot
        self.picture = lru_cache(PICTURES)(self._picture)
        self.present = lru_cache(None)(self._present)

    @property
    def content(self) -> Dataset | None:
        """Columns, vectors and pictures of the data, where they can be read."""
        return self.served.content

    @cached_property
    def ids(self) -> list[str]:
        """Of the model's items, in their rows."""
        return texts_of(self.items.ids)

    @cached_property
    def content_ids(self) -> list[str]:
        """Of the data's items, in their rows."""
        return [] if self.content is None else texts_of(self.content.catalog.items.ids)

    @cached_property
    def titles(self) -> pl.Series:
        """What each of the model's items is called; its id, where it has no title: [I]"""
        ids = self.items.ids.cast(pl.String).alias("id")
        columns = text_columns(self.items.features)
        given = self.items.features[columns[0]].alias("title") if columns else ids.alias("title")
        title = pl.col("title").str.strip_chars()
        title = pl.when(title == "").then(None).otherwise(title).fill_null(pl.col("id"))
        short = title.str.head(LONGEST - 1).str.strip_chars_end() + "…"
        shown = pl.when(title.str.len_chars() > LONGEST).then(short).otherwise(title)
        return pl.DataFrame([ids, given]).select(shown.alias("title")).to_series()

    @cached_property
    def events(self) -> NDArray[np.int64]:
        """How often each item was chosen, as the data say: [I]"""
        people = self.served.people
        if people is None:
            return np.zeros(len(self.items), np.int64)
        return torch.bincount(people.histories.items.values, minlength=len(self.items)).numpy()

    @cached_property
    def things(self) -> Finder:
        """Search for items."""
        return Finder(self.items, pl.Series(self.events))

    @cached_property
    def persons(self) -> Finder | None:
        """Search for people, those of whom most is known first."""
        people = self.served.people
        if people is None:
            return None
        lengths = people.histories.items.lengths.numpy()
        return Finder(Entities(pl.Series(list(people.rows), dtype=pl.String)), pl.Series(lengths))

    @cached_property
    def codes(self) -> Mapping[str, tuple[Entities, Codes]]:
        """Semantic ids by name, with the items that have them: the model's before the data's."""
        found: dict[str, tuple[Entities, Codes]] = {}
        data = [] if self.content is None else [self.content.catalog]
        for catalog in (*data, self.served.model.catalog):
            found |= {name: (catalog.items, one) for name, one in catalog.items.codes.items()}
        return found

    @property
    def tables(self) -> list[str]:
        """The names of item vectors that are at hand."""
        return [] if self.content is None else list(self.content.catalog.items.vectors)

    def table(self, name: str) -> Tensor:
        """Vectors of the data's items: [n, D]"""
        assert self.content is not None
        return self.content.catalog.items.vectors[name]

    def row(self, item: str) -> int:
        """Of an item in the model. Raises `UnknownId`."""
        if item not in self.served.items:
            raise UnknownId(f"There is no item {item!r}.", "Search for it among the items.")
        return self.served.items[item]

    def content_row(self, item: str) -> int:
        """Of an item in the data, -1 where they lack it."""
        return -1 if self.content is None else int(self.content.catalog.items.rows([item])[0])

    def face(self, row: int) -> Face:
        """How an item of the model is shown."""
        return Face(self.ids[row], self.titles[row], self.ids[row] in self.pictured)

    def faces(self, rows: Iterable[int]) -> list[Face]:
        """How items of the model are shown."""
        return [self.face(row) for row in rows]

    def faces_of(self, ids: Sequence[str]) -> list[Face]:
        """How items are shown that the model may not know."""
        known = self.served.items
        return [
            self.face(known[one]) if one in known else Face(one, one, one in self.pictured)
            for one in ids
        ]

    def columns(self, row: int) -> dict[str, Any]:
        """What is known of an item of the model."""
        shown = text_columns(self.items.features)[:1]  # the title stands above them
        return _told(self.items.features.drop(shown), row)

    def about(self, user: str) -> dict[str, Any]:
        """What the data know of somebody."""
        if self.content is None:
            return {}
        users = self.content.catalog.users
        row = int(users.rows([user])[0])
        return _told(users.features, row) if row >= 0 else {}

    @cached_property
    def shelf(self) -> Shelf | None:
        """Where pictures lie, if there are any: those that vectors were made of, or media."""
        if self.content is None or self.content.folder is None:
            return None
        try:
            return Shelf.of(self.content, "image", self._column())
        except (NoContent, MissingExtra, OSError):
            return None

    @cached_property
    def pictured(self) -> frozenset[str]:
        """The ids of items that have a picture."""
        rows = [] if self.shelf is None else list(self.shelf.places)
        return frozenset(pl.Series(self.content_ids, dtype=pl.String).gather(rows))

    def _column(self) -> str | None:
        """The column of paths that image vectors were made from."""
        assert self.content is not None
        assert self.content.folder is not None
        for name in self.tables:
            facts = facts_of(self.content.folder, name)
            if facts and facts["modality"] == "image" and facts["encoder"].get("columns"):
                return str(facts["encoder"]["columns"][0])
        return None

    def _picture(self, item: str) -> bytes | None:
        """A small WebP picture of an item, None where it has none that can be read."""
        row = self.content_row(item)
        piece = self.shelf.piece(row) if self.shelf and row >= 0 else None
        try:
            return None if piece is None else thumbnail(piece, SIDE)
        except (Undecodable, MissingExtra):
            return None

    def _present(self, name: str) -> Tensor:
        """Which of the data's items have such vectors: [n] bool"""
        assert self.content is not None
        return self.content.catalog.items.present(name)


def _told(features: pl.DataFrame, row: int) -> dict[str, Any]:
    """One row of a table without what is missing."""
    if not features.width:
        return {}
    found = features.row(row, named=True)
    return {name: _text(one) for name, one in found.items() if one is not None and one != ""}


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
