"""semantic_ids.parquet: an item a row, and a column of token lists for each named set of codes.

Tokens are whole numbers from 0, or texts that hold one (`<a_17>`). The file's metadata say how many
tokens each level may have, and which codebook made them; without, the largest tokens say.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from tesserec.core import Codes, Entities
from tesserec.core.errors import BadData, BadRequest
from tesserec.core.files import replacing
from tesserec.data.intake.columns import id_column
from tesserec.data.intake.options import Columns

CODES = "semantic_ids.parquet"
_ITEM = "item"  # the column of ids, as we write it
_ABOUT = b"tesserec"  # the key of what the file's metadata say
_TOKEN = r"^[^\d-]*(-?\d+)\D*$"
_SHOWN = 3  # ids in a message


@dataclass(frozen=True, eq=False)
class CodesFile:
    """What such a file holds, in the order of its rows."""

    path: Path
    ids: pl.Series
    sets: Mapping[str, Codes]
    codebooks: Mapping[str, str] = field(default_factory=dict)  # set -> key of what made it

    def is_about(self, items: Entities) -> bool:
        """Whether it has a row for each of these items, and none besides."""
        return len(self.ids) == len(items) and bool((items.rows(self.ids) >= 0).all())

    def of(self, items: Entities) -> dict[str, Codes]:
        """The codes of these items, in their order. Raises `BadData` unless it is about them."""
        rows = items.rows(self.ids)
        _refuse(self.path, "is about items there are not", self.ids.filter(_where(rows < 0)))
        is_known = torch.zeros(len(items), dtype=torch.bool)
        is_known[rows] = True
        _refuse(self.path, "has no codes for items", items.ids.filter(_where(~is_known)))
        return {name: placed(codes, rows) for name, codes in self.sets.items()}


def read_codes(path: Path) -> CodesFile:
    """Read a file of codes. Raises `BadData` saying what is wrong with it."""
    with _reading(path):
        frame, about = pl.read_parquet(path), _about(path)
    name = id_column(frame.columns, "item", Columns(), path.name)
    ids = frame[name]
    _refuse(path, "has several rows of items", ids.filter(ids.is_duplicated()).unique())
    sets = {}
    for column in frame.drop(name):
        table = _table(path, column, ids)
        sets[column.name] = Codes(table, _sizes(path, column.name, table, about))
    return CodesFile(path, ids.alias(_ITEM), sets, _keys(about, sets))


def made_by(path: Path) -> dict[str, str]:
    """The keys of what made the sets in a file of codes; nothing where no file is."""
    if not path.is_file():
        return {}
    with _reading(path):
        about = _about(path)
    return _keys(about, about)


def write_codes(
    path: Path, ids: pl.Series, sets: Mapping[str, Codes], codebooks: Mapping[str, str]
) -> None:
    """Write codes, whole or not at all. Raises `BadRequest` for a name that is the ids'."""
    from pyarrow import parquet

    for name in sets:
        check_name(name)
    tables = {name: _lists(codes.table) for name, codes in sets.items()}
    frame = pl.DataFrame({_ITEM: ids, **tables}).to_arrow()
    about = {
        name: {"sizes": codes.sizes, "codebook": codebooks.get(name)}
        for name, codes in sets.items()
    }
    metadata = {_ABOUT: json.dumps(about).encode()}
    with replacing(path) as aside:
        parquet.write_table(frame.replace_schema_metadata(metadata), aside, compression="zstd")


def check_name(name: str) -> None:
    """Raises `BadRequest` for a set that nobody could tell from the column of ids."""
    try:
        id_column([_ITEM, name], "item", Columns(), CODES)
    except BadData:
        raise BadRequest(
            f"Semantic ids cannot be called {name!r}: so is the column that says which item it is.",
            "Choose another name.",
        ) from None


def codebook_files(path: Path, name: str, key: str = "") -> tuple[Path, Path]:
    """Where the codebook of a set lies beside the file of codes: its weights, and what it is.

    With its key it waits there for the codes that it made.
    """
    first = ".".join(one for one in (path.stem, name, key) if one)
    return path.with_name(f"{first}.safetensors"), path.with_name(f"{first}.json")


def codebook_of(path: Path, name: str, key: str) -> tuple[Path, Path]:
    """The same, for the codebook of this key: a kill may have left it waiting."""
    waiting, usual = codebook_files(path, name, key), codebook_files(path, name)
    weights, notes = (w if w.is_file() else u for w, u in zip(waiting, usual, strict=True))
    return weights, notes


def placed(codes: Codes, rows: Tensor) -> Codes:
    """The same codes, in the places `rows` says: [I]"""
    table = torch.empty_like(codes.table)
    table[rows] = codes.table
    return Codes(table, codes.sizes, codes.codebook)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong in the block is said of the file."""
    try:
        yield
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise BadData(
            f"{path} cannot be read: {reason}.", "Delete it, and tokenize again."
        ) from None


def _about(path: Path) -> dict[str, Any]:
    """What the metadata say of each set."""
    from pyarrow import parquet

    metadata = parquet.read_schema(path).metadata or {}
    about: dict[str, Any] = json.loads(metadata.get(_ABOUT, b"{}"))
    return about


def _keys(about: Mapping[str, Any], sets: Iterable[str]) -> dict[str, str]:
    return {n: about[n]["codebook"] for n in sets if about.get(n, {}).get("codebook")}


def _lists(table: Tensor) -> pl.Series:
    items, levels = table.shape
    flat = pl.Series(table.reshape(-1).cpu().numpy())
    return flat.reshape((items, levels)).arr.to_list()


def _table(path: Path, column: pl.Series, ids: pl.Series) -> Tensor:
    """The tokens of a column of lists: [I, L]"""
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else None
    if not isinstance(inner, pl.DataType) or not (inner.is_integer() or inner == pl.String):
        raise BadData(
            f"{path}: column {column.name!r} holds {column.dtype}, not lists of tokens.",
            "Give each item a list of whole numbers from 0.",
        )
    place = f"{path}, column {column.name!r}"
    lengths = column.list.len().fill_null(0)
    _refuse(place, "has no tokens for items", ids.filter(lengths == 0))
    levels = lengths.unique().sort().to_list()
    if len(levels) > 1:
        raise BadData(
            f"{place}: some items have {levels[0]} tokens, some {levels[-1]}.",
            "Give all items equally many.",
        )
    flat = column.explode()
    if inner == pl.String:
        flat = flat.str.extract(_TOKEN).cast(pl.Int64, strict=False)
    items = ids.to_frame().select(pl.all().repeat_by(levels[0] if levels else 0).explode())
    whose = items.to_series()
    _refuse(place, "has tokens that are no numbers for items", whose.filter(flat.is_null()))
    _refuse(place, "has negative tokens for items", whose.filter(flat < 0))
    return torch.from_numpy(flat.cast(pl.Int64).to_numpy().copy()).reshape(len(ids), -1)


def _sizes(path: Path, name: str, table: Tensor, about: Mapping[str, Any]) -> tuple[int, ...]:
    """Of each level, as the metadata say, else as the largest token needs."""
    needed = [int(column.max()) + 1 if len(column) else 1 for column in table.T]
    sizes: Sequence[int] = about.get(name, {}).get("sizes", needed)
    if len(sizes) != len(needed) or any(a < b for a, b in zip(sizes, needed, strict=True)):
        raise BadData(
            f"{path}: the metadata say that {name!r} has levels of {list(sizes)} tokens, and its "
            f"tokens need {needed}.",
            "Tokenize again.",
        )
    return tuple(sizes)


def _refuse(place: object, what: str, ids: pl.Series) -> None:
    if len(ids):
        shown = ", ".join(str(one) for one in ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
        raise BadData(f"{place} {what}: {len(ids)} ({shown}).", _CURE)


def _where(mask: Tensor) -> pl.Series:
    return pl.Series(mask.numpy())


_CURE = "`tesserec tokenize DATA --add` brings it up to the items there are; or tokenize again."
