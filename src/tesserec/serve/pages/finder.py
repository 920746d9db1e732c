"""Finder: things by what is written in their ids and texts."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from tesserec.content import text_columns
from tesserec.core import Entities

WORDS = 8  # of a search that are looked at


@dataclass(frozen=True, eq=False)
class Finder:
    """A search through all of them, in small letters; `worth` [n] says which come first."""

    things: Entities
    worth: pl.Series

    def only(self, rows: pl.Series) -> "Finder":
        """A search through some of them."""
        things = self.things
        features = things.features[rows] if things.features.width else things.features
        return Finder(Entities(things.ids.gather(rows), features), self.worth.gather(rows))

    @cached_property
    def _texts(self) -> pl.DataFrame:
        ids = self.things.ids.cast(pl.String).str.to_lowercase()
        columns = [self.things.features[name] for name in text_columns(self.things.features)]
        text = pl.concat_str([ids, *columns], separator=" ", ignore_nulls=True)
        frame = pl.DataFrame({"id": ids, "worth": self.worth}).with_row_index("row")
        return frame.with_columns(pl.select(text.str.to_lowercase()).to_series().alias("text"))

    def find(self, words: str, most: int) -> tuple[list[int], int]:
        """Rows that hold all these words, ids that are or begin so first; and how many there are.

        Without words, those that are worth most.
        """
        asked = words.lower().split()[:WORDS]
        whole = " ".join(asked)
        holds = [pl.col("text").str.contains(word, literal=True) for word in asked]
        found = self._texts.lazy().filter(*holds) if holds else self._texts.lazy()
        place = (
            pl.when(pl.col("id") == whole)
            .then(0)
            .when(pl.col("id").str.starts_with(whole))
            .then(1)
            .otherwise(2)
        )
        if not asked:
            place = pl.lit(0)
        there = found.with_columns(place=place).collect()
        best = there.lazy().sort("place", "worth", "row", descending=[False, True, False])
        return best.head(most).collect()["row"].to_list(), there.height
