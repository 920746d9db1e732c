"""What exists and what happened: entities, a catalogue, interactions, and a dataset of both.

Raw ids become row numbers once, when tables are read. From then on users and items are int64
row numbers, and -1 means "nobody" or "nothing".
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from tesserec.core.codes import Codes
from tesserec.core.errors import BadData, UnknownId
from tesserec.core.ragged import Ragged

Clock = Literal["seconds", "order", "none"]

BLOCK = 1 << 16  # rows of a table of vectors that are looked at together
FLOAT = torch.finfo(torch.float32).max  # methods compute in this type
FEW = 64  # ids are searched one by one where this many times as many are known


@dataclass(frozen=True, eq=False)
class Entities:
    """A table of things: items, users, tags. The position of an id is its row number."""

    ids: pl.Series
    features: pl.DataFrame = field(default_factory=pl.DataFrame)  # one row each, or no columns
    vectors: Mapping[str, Tensor] = field(default_factory=dict)  # "image" -> [n, D]
    masks: Mapping[str, Tensor] = field(default_factory=dict)  # "image" -> [n] bool, if noted
    codes: Mapping[str, Codes] = field(default_factory=dict)  # "rqvae" -> semantic ids

    def __post_init__(self) -> None:
        tables = {f"Vectors {name!r}": table for name, table in self.vectors.items()}
        tables |= {f"The mask of {name!r}": mask for name, mask in self.masks.items()}
        tables |= {f"Codes {name!r}": codes.table for name, codes in self.codes.items()}
        for what, table in tables.items():
            if len(table) != len(self.ids):
                raise BadData(f"{what}: {len(table)} rows for {len(self.ids)} ids.")
        if self.features.width and self.features.height != len(self.ids):
            raise BadData(f"Features have {self.features.height} rows for {len(self.ids)} ids.")

    def __repr__(self) -> str:
        vectors = [f"{name} [{table.shape[1]}]" for name, table in self.vectors.items()]
        codes = [f"{name} [{one.levels}]" for name, one in self.codes.items()]
        there = {"features": self.features.columns, "vectors": vectors, "codes": codes}
        told = [f"{len(self):,} ids", *(f"{k}: {', '.join(v)}" for k, v in there.items() if v)]
        return f"Entities({'; '.join(told)})"

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Sequence[Any] | pl.Series) -> Tensor:
        """Row numbers of raw ids, -1 for unknown ones; "17" finds the number 17: [n]"""
        asked = pl.Series("id", ids).cast(pl.String)
        if len(asked) * FEW <= len(self):
            return self._searched(asked)
        frame = asked.to_frame()
        found = frame.join(self._by_text, on="id", how="left", maintain_order="left")["row"]
        return torch.from_numpy(found.fill_null(-1).to_numpy().copy())

    def row(self, one: Any) -> int:
        """Row number of one id. Raises `UnknownId`."""
        found = int(self.rows([one])[0])
        if found < 0:
            raise UnknownId(
                f"There is no {one!r} among {len(self)} ids (first: {self.ids[:3].to_list()})."
            )
        return found

    def present(self, name: str) -> Tensor:
        """Which rows have content of this name: as was noted, else those not all zeros: [n]"""
        if name in self.masks:
            return self.masks[name]
        return torch.cat([(rows != 0).any(1) for rows in self.vectors[name].split(BLOCK)])

    def check_vectors(self, name: str, most: float = FLOAT, place: str = "") -> None:
        """Raises `BadData` for NaN, and for numbers beyond `most`; `place` is where they lie.

        Rows that are noted as missing may hold anything.
        """
        for first in range(0, len(self), BLOCK):
            rows = slice(first, first + BLOCK)
            if not _within(self.vectors[name][rows], most):
                self._refuse(name, rows, most, place or f"Vectors {name!r}")

    def names(self, rows: Tensor) -> list[Any]:
        """Raw ids of row numbers, None for -1."""
        known = rows.reshape(-1)
        met = iter(self.ids.gather(known[known >= 0].numpy()).to_list())
        return [next(met) if row >= 0 else None for row in known.tolist()]

    def _refuse(self, name: str, rows: slice, most: float, what: str) -> None:
        """Raise for the first number beyond `most` in rows that have content, if there is one."""
        table = self.vectors[name][rows]
        # No comparison with NaN is true; among halves `most` would be infinite.
        beyond = ~(table.double().abs() <= most)
        if name in self.masks:
            beyond &= self.masks[name][rows, None]
        if not bool(beyond.any()):
            return
        row, column = torch.nonzero(beyond)[0].tolist()
        number = f"{float(table[row, column]):.4g}".replace("nan", "NaN")
        raise BadData(
            f"{what}: item {self.ids[rows][row]!r} has {number} in column {column + 1}, and "
            f"numbers up to {most:.4g} can be computed with.",
            "Encode or import again, or scale them down.",
        )

    @cached_property
    def _by_text(self) -> pl.DataFrame:
        rows = pl.int_range(len(self.ids), dtype=pl.Int64, eager=True)
        return pl.DataFrame({"id": self.ids.cast(pl.String), "row": rows})

    @cached_property
    def _in_order(self) -> pl.DataFrame:
        return self._by_text.sort("id")

    def _searched(self, asked: pl.Series) -> Tensor:
        """Rows of a few ids as text; a join reads all that are known, each time: [n]"""
        if not len(asked) or not len(self):
            return torch.full((len(asked),), -1)
        known = self._in_order
        places = known["id"].search_sorted(asked).clip(upper_bound=len(self) - 1)
        there = (known["id"].gather(places) == asked).fill_null(False)
        rows = known["row"].gather(places).zip_with(there, pl.repeat(-1, len(asked), eager=True))
        return torch.from_numpy(rows.to_numpy().copy())


@dataclass(frozen=True, eq=False)
class Relation:
    """Pairs of rows that belong together: who trusts whom, which bundle contains what."""

    head: str  # "users", "items" or a name in Catalog.others
    tail: str
    frame: pl.DataFrame  # head, tail: row numbers; optionally kind, weight


@dataclass(frozen=True, eq=False)
class Catalog:
    """Who and what exists."""

    items: Entities
    users: Entities
    others: Mapping[str, Entities] = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Histories:
    """Items of many people, each oldest first, and what is known about each event."""

    items: Ragged
    time: Tensor | None = None  # [n], beside items.values
    kind: Tensor | None = None  # [n] codes of Interactions.kinds
    weight: Tensor | None = None  # [n]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, rows: slice | Tensor) -> "Histories":
        return replace(self, items=self.items[rows])

    def renumbered(self, numbers: Tensor) -> "Histories":
        """Items as rows of another catalogue [I]; those that become -1 are left out."""
        _, places = self.items.places()
        items, kept = self.items.renumbered(numbers)
        beside = {
            name: None if (column := getattr(self, name)) is None else column[places][kept]
            for name in ("time", "kind", "weight")
        }
        return replace(self, items=items, **beside)


@dataclass(frozen=True, eq=False)
class Interactions:
    """What happened: one row per event, ordered by time, then user, then item.

    Columns: `user` and `item` (row numbers), optionally `time` (int64: seconds, or a place in
    the user's own order, as `clock` says), `weight`, `kind` (an Enum), `split`, and any context.
    """

    frame: pl.DataFrame
    clock: Clock = "none"

    def __repr__(self) -> str:
        return f"Interactions({len(self):,} events: {', '.join(self.frame.columns)})"

    def __len__(self) -> int:
        return self.frame.height

    @property
    def users(self) -> Tensor:
        """[n]"""
        return self.column("user")

    @property
    def items(self) -> Tensor:
        """[n]"""
        return self.column("item")

    def column(self, name: str) -> Tensor:
        """A numeric column as a tensor: [n]"""
        return torch.from_numpy(self.frame[name].to_numpy().copy())

    @property
    def kinds(self) -> list[str]:
        """The kinds of events, in the order of their codes; none when events have no kind."""
        dtype = self.frame.schema.get("kind")
        return dtype.categories.to_list() if isinstance(dtype, pl.Enum) else []

    def keep(self, which: pl.Expr | pl.Series) -> "Interactions":
        """Only the events for which an expression over the columns, or a mask, is true."""
        return replace(self, frame=self.frame.filter(which))

    def before(self, time: int) -> "Interactions":
        """Only the events strictly earlier than `time`."""
        return self.keep(pl.col("time") < time)

    def histories(self, users: int) -> Histories:
        """What each of the `users` rows did, oldest first."""
        order = np.argsort(self.frame["user"].to_numpy(), kind="stable")  # events are in time order
        lengths = torch.bincount(self.users, minlength=users)

        def beside(column: pl.Series) -> Tensor:
            return torch.from_numpy(column.to_numpy()[order])

        frame = self.frame
        return Histories(
            items=Ragged.packed(beside(frame["item"]), lengths),
            time=beside(frame["time"]) if "time" in frame.columns else None,
            kind=beside(frame["kind"].to_physical().cast(pl.Int64)) if self.kinds else None,
            weight=beside(frame["weight"]) if "weight" in frame.columns else None,
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """A catalogue and what happened in it."""

    catalog: Catalog
    interactions: Interactions
    name: str = "data"
    folder: Path | None = None  # where its pictures and sounds lie, if anywhere

    def __repr__(self) -> str:
        catalog = self.catalog
        return (
            f"Dataset({self.name!r}, items={catalog.items}, users={catalog.users}, "
            f"interactions={self.interactions})"
        )

    @cached_property
    def fingerprint(self) -> str:
        """A digest of ids, events, features and vectors: equal data, equal fingerprint."""
        digest = hashlib.sha256(self.interactions.clock.encode())
        # Each table and column begins with its name, so that none is mistaken for its neighbour.
        for title, frame in [("events", self.interactions.frame), *_tables(self.catalog)]:
            digest.update(f"\n{title}".encode())
            for column in sorted(frame.columns):
                digest.update(f"\n{column}:".encode())
                _add(digest, frame[column])
        for title, entities in (("items", self.catalog.items), ("users", self.catalog.users)):
            for name, table in sorted(entities.vectors.items()):
                digest.update(f"\n{title}.{name} {list(table.shape)}:".encode())
                for rows in table.split(BLOCK):
                    digest.update(rows.contiguous().numpy().data)
            for name, mask in sorted(entities.masks.items()):
                digest.update(f"\n{title}.{name} mask:".encode())
                digest.update(mask.contiguous().numpy().data)
            for name, codes in sorted(entities.codes.items()):
                digest.update(f"\n{title}.{name} codes {codes.sizes}:".encode())
                digest.update(codes.table.contiguous().numpy().data)
        return digest.hexdigest()[:16]

    @cached_property
    def histories(self) -> Histories:
        """What each user of the catalogue did, oldest first."""
        return self.interactions.histories(len(self.catalog.users))

    @cached_property
    def positives(self) -> Ragged:
        """The distinct items of each user, in the order of rows."""
        pairs = self.interactions.frame.select("user", "item").unique().sort("user", "item")
        items = torch.from_numpy(pairs["item"].to_numpy().copy())
        users = torch.from_numpy(pairs["user"].to_numpy().copy())
        return Ragged.packed(items, torch.bincount(users, minlength=len(self.catalog.users)))

    @cached_property
    def popularity(self) -> Tensor:
        """Events per item: [I] int64"""
        return torch.bincount(self.interactions.items, minlength=len(self.catalog.items))

    @cached_property
    def active(self) -> Tensor:
        """Which users did anything: [U] bool"""
        return torch.bincount(self.interactions.users, minlength=len(self.catalog.users)) > 0

    def with_vectors(self, name: str, table: Tensor, mask: Tensor | None = None) -> "Dataset":
        """The same data with one more table of item vectors [I, D].

        `mask` [I] says which items have such content; without one, rows of zeros have none.
        Raises `BadData` for NaN and infinity.
        """
        items = self.catalog.items
        vectors = {**items.vectors, name: table}
        masks = {known: one for known, one in items.masks.items() if known != name}
        if mask is not None:
            masks[name] = mask
        items = replace(items, vectors=vectors, masks=masks)
        items.check_vectors(name)
        return replace(self, catalog=replace(self.catalog, items=items))

    def with_user_vectors(self, name: str, table: Tensor) -> "Dataset":
        """The same data with one more table of user vectors [U, D]."""
        users = self.catalog.users
        users = replace(users, vectors={**users.vectors, name: table})
        return replace(self, catalog=replace(self.catalog, users=users))

    def with_codes(self, name: str, codes: Codes) -> "Dataset":
        """The same data with one more column of codes of the items."""
        items = self.catalog.items
        items = replace(items, codes={**items.codes, name: codes})
        return replace(self, catalog=replace(self.catalog, items=items))

    def without_events(self) -> "Dataset":
        """The catalogue alone, for building a network that is about to be loaded."""
        empty = self.interactions.frame.clear()
        return replace(self, interactions=replace(self.interactions, frame=empty))


def _within(rows: Tensor, most: float) -> bool:
    """Whether no number is NaN or beyond `most`; it costs one look at each and no copy."""
    if not rows.numel():
        return True
    least, largest = rows.aminmax()
    return -most <= float(least) and float(largest) <= most


def _tables(catalog: Catalog) -> list[tuple[str, pl.DataFrame]]:
    """Everything of a catalogue but the vectors, each table with its title."""
    kinds = {"items": catalog.items, "users": catalog.users, **catalog.others}
    tables = []
    for name, kind in sorted(kinds.items()):
        tables += [(name, pl.DataFrame({"id": kind.ids})), (f"{name} features", kind.features)]
    linked = sorted(catalog.relations.items())
    return tables + [(f"{name}: {r.head} to {r.tail}", r.frame) for name, r in linked]


def _add(digest: "hashlib._Hash", column: pl.Series) -> None:
    """Numbers by their bytes, anything else by its text: stable between versions of polars."""
    if column.dtype.is_numeric() and not column.null_count():
        digest.update(column.to_numpy().tobytes())
    else:
        digest.update(column.to_frame().write_ndjson().encode())
