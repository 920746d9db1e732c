"""Shelf: where the piece of each item lies, so that one is had without looking at the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tesserec.content.encoder import Modality, Piece
from tesserec.content.pieces import files_of, pieces
from tesserec.core import Dataset

WEB = ("http://", "https://")


@dataclass(frozen=True)
class Group:
    """A row of a group of rows in a parquet file of media."""

    file: Path
    group: int
    row: int


@dataclass(frozen=True)
class Column:
    """A file that a column of the items names."""

    name: str


@dataclass(frozen=True, eq=False)
class Shelf:
    """The pieces of one modality; the places are as they were when the shelf was made."""

    data: Dataset
    modality: Modality
    places: Mapping[int, Path | Group | Column]  # row of the item -> where its piece lies

    @classmethod
    def of(cls, data: Dataset, modality: Modality, column: str | None = None) -> "Shelf":
        """In a column of paths, or in `media/` of the data folder. Raises `NoContent` for none."""
        media = None if data.folder is None else data.folder / "media"
        places: Mapping[int, Path | Group | Column] = {}
        if column is None and media is not None and (media / f"{modality}.parquet").is_file():
            places = _groups(data, media / f"{modality}.parquet")
        elif column is None and media is not None and (media / modality).is_dir():
            places = files_of(data, media / modality)
        elif column is not None and data.folder is not None:
            places = _named(data, column)
        return cls(data, modality, places)

    def piece(self, row: int) -> Piece | None:
        """The piece of one item, None where it has none or it cannot be read."""
        match self.places.get(row):
            case Path() as path:
                try:
                    return path.read_bytes()
                except OSError:
                    return None
            case Group() as place:
                return _taken(place)
            case Column(name):
                return next(
                    (
                        one.piece
                        for one in pieces(self.data, self.modality, (name,), only=[row]).found
                    ),
                    None,
                )
            case _:
                return None


def _named(data: Dataset, column: str) -> dict[int, Column]:
    """The items for which a column names a file; what lies on the web is not fetched."""
    features = data.catalog.items.features
    if column not in features.columns:
        return {}
    names = features[column].cast(pl.String).fill_null("").to_list()
    there = [row for row, name in enumerate(names) if name and not name.lower().startswith(WEB)]
    return dict.fromkeys(there, Column(column))


def _groups(data: Dataset, file: Path) -> dict[int, Group]:
    """Only ids are read."""
    from pyarrow import parquet

    places: dict[int, Group] = {}
    with parquet.ParquetFile(file) as opened:
        for group in range(opened.num_row_groups):
            ids = opened.read_row_group(group, ["item"])["item"].to_pylist()
            rows = data.catalog.items.rows(pl.Series(ids, strict=False)).tolist()
            places |= {row: Group(file, group, at) for at, row in enumerate(rows) if row >= 0}
    return places


def _taken(place: Group) -> Piece | None:
    from pyarrow import parquet

    with parquet.ParquetFile(place.file) as opened:
        taken: Piece | None = opened.read_row_group(place.group, ["bytes"])["bytes"][
            place.row
        ].as_py()
    return taken
