"""What a source hands over: tables, unread, and what their rows are."""

from dataclasses import dataclass
from pathlib import Path

from tesserec.data.tables import Table


@dataclass(frozen=True)
class Links:
    """A table whose rows link two things. `head` and `tail` say what they are.

    "items", "users", or the name of another kind of thing, which then comes into being.
    """

    name: str
    table: Table
    head: str
    tail: str
    head_column: str
    tail_column: str
    kind_column: str | None = None
    weight_column: str | None = None


@dataclass(frozen=True)
class Knowledge:
    """Triples between entities, some of which are items."""

    table: Table
    head_column: str
    kind_column: str
    tail_column: str
    # Which entity an item is: a table with an item and an entity column. Without one, and
    # without `entities`, an entity with an item's id is that item.
    link: tuple[Table, str, str] | None = None
    entities: Table | None = None  # names and features of entities


@dataclass(frozen=True)
class Vectors:
    """A file of item vectors: an array in the order of the item table, or a table with ids."""

    name: str
    array: Path | None = None
    by_number: bool = False  # row n of the array belongs to the item whose id is n
    table: Table | None = None


@dataclass(frozen=True)
class Media:
    """A table of pictures or sounds: one row an item, its file's bytes in a column."""

    name: str
    table: Path
    item_column: str
    bytes_column: str


@dataclass(frozen=True)
class MediaFolder:
    """A folder of files that are called after their items, or named in a column of theirs."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Raw:
    """The tables of a source, unread, and what they are."""

    interactions: Table | None = None
    items: Table | None = None
    users: Table | None = None
    vectors: tuple[Vectors, ...] = ()
    links: tuple[Links, ...] = ()
    knowledge: Knowledge | None = None
    media: tuple[Media | MediaFolder, ...] = ()
    codes: Path | None = None  # a file of semantic ids
    notes: tuple[str, ...] = ()
