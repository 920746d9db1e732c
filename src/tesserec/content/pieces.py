"""Where the pieces of items come from: columns of texts, media of a data folder, files by path."""

import urllib.request
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tesserec.content.encoder import Modality, Piece
from tesserec.core import Dataset
from tesserec.core.errors import BadRequest, NoContent

LARGEST = 256 << 20  # bytes of one file that is fetched
BUFFER = 1 << 20  # bytes of a parquet file that are read together
PATIENCE = 30  # seconds until a server counts as silent
TEXTS = ("title", "name", "description", "text", "summary")


class Found(NamedTuple):
    """The piece of an item; without one, why."""

    row: int
    piece: Piece | None
    reason: str = ""


class Pieces(NamedTuple):
    """All pieces of one modality, to be gone through once, in the order in which they lie."""

    total: int
    found: Iterator[Found]


def pieces(
    data: Dataset,
    modality: Modality,
    columns: tuple[str, ...],
    download: bool = False,
    only: Collection[int] | None = None,
) -> Pieces:
    """The pieces of all items, or of the rows in `only`. Items that have none are left out.

    Media lie in `media/` of the data folder (a parquet file of bytes, or files called after
    their items); a column names files in the data folder, or, with `download`, on the web.
    Raises `NoContent` when there are none.
    """
    wanted = range(len(data.catalog.items)) if only is None else sorted(only)
    if modality == "text":
        return _of_texts(data, columns, wanted)
    if len(columns) > 1:
        raise BadRequest("Files are named by one column.", "Give --columns one name.")
    if columns:
        return _by_path(data, modality, columns[0], download, wanted)
    folder = data.folder / "media" if data.folder else None
    if folder is not None and (folder / f"{modality}.parquet").is_file():
        return _of_parquet(data, folder / f"{modality}.parquet", wanted)
    if folder is not None and (folder / modality).is_dir():
        return _of_files(data, folder / modality, wanted)
    raise NoContent(
        f"{data.name} has no {modality} files: neither media/{modality}.parquet nor "
        f"media/{modality}/ lies in {data.folder or 'its folder'}.",
        f"Put files called after the items into media/{modality}/, or name a column of paths "
        "with --columns.",
    )


def text_columns(features: pl.DataFrame) -> list[str]:
    """The columns a title-like text is looked for in, best first."""
    return [name for name in TEXTS if features.schema.get(name) == pl.String]


def texts(features: pl.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """The text of each item, "" where there is none. Raises `NoContent` for missing columns."""
    columns = columns or tuple(text_columns(features)[:1])
    there = [name for name in features.columns if features.schema[name] == pl.String]
    missing = [name for name in columns if name not in features.columns]
    if missing or not columns:
        wanted = f"column {missing[0]!r}" if missing else f"column called {' or '.join(TEXTS)}"
        raise NoContent(
            f"Items have no {wanted}; text columns: {', '.join(there) or 'none'}.",
            "Name another with --columns, in a study with columns = [...].",
        )
    parts = [_as_text(features[name]) for name in columns]
    joined = pl.concat_str(parts, separator=" ", ignore_nulls=True)
    return pl.select(joined.str.strip_chars().fill_null("")).to_series().to_list()


def _as_text(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List | pl.Array):
        return column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    return column.cast(pl.String)


def _of_texts(data: Dataset, columns: tuple[str, ...], wanted: Collection[int]) -> Pieces:
    found = texts(data.catalog.items.features, columns)
    return Pieces(len(wanted), (Found(row, found[row]) for row in wanted if found[row]))


def _of_parquet(data: Dataset, path: Path, wanted: Collection[int]) -> Pieces:
    from pyarrow import parquet

    count = min(parquet.read_metadata(path).num_rows, len(wanted))

    def read() -> Iterator[Found]:
        with parquet.ParquetFile(path, buffer_size=BUFFER) as file:
            for group in range(file.num_row_groups):  # whoever wrote it put few rows into each
                ids = file.read_row_group(group, ["item"])["item"].to_pylist()
                rows = data.catalog.items.rows(pl.Series(ids, strict=False)).tolist()
                if not any(row in wanted for row in rows):
                    continue
                contents = file.read_row_group(group, ["bytes"])["bytes"]
                for row, content in zip(rows, contents, strict=True):
                    if row in wanted and content.is_valid:
                        yield Found(row, content.as_py())

    return Pieces(count, read())


def _of_files(data: Dataset, folder: Path, wanted: Collection[int]) -> Pieces:
    """Files called after the id of their item."""
    chosen = {row: path for row, path in files_of(data, folder).items() if row in wanted}
    return Pieces(len(chosen), (_opened(row, path) for row, path in chosen.items()))


def files_of(data: Dataset, folder: Path) -> dict[int, Path]:
    """The file of each item that has one. Raises `NoContent` if none has."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    names = [path.relative_to(folder).as_posix() for path in files]
    items = data.catalog.items
    by_stem = items.rows([name[: len(name) - len(Path(name).suffix)] for name in names]).tolist()
    by_name = items.rows(names).tolist()
    rows = [stem if stem >= 0 else name for stem, name in zip(by_stem, by_name, strict=True)]
    known: dict[int, Path] = {}
    for row, path in zip(rows, files, strict=True):
        if row >= 0:
            known.setdefault(row, path)
    if not known:
        raise NoContent(
            f"None of the {len(files)} files in {folder} is called after an item "
            f"(first item: {items.ids[:1].to_list()}).",
            "Call them after the ids, as 17.jpg, or name a column of paths with --columns.",
        )
    return known


def _by_path(
    data: Dataset, modality: Modality, column: str, download: bool, wanted: Collection[int]
) -> Pieces:
    features = data.catalog.items.features
    if column not in features.columns:
        there = ", ".join(n for n, t in features.schema.items() if t == pl.String)
        raise NoContent(
            f"Items have no column {column!r} of {modality} files; text columns: {there or 'none'}."
        )
    if data.folder is None:
        raise NoContent(f"{data.name} lies in no folder, so {column!r} leads nowhere.")
    named = features[column].cast(pl.String).fill_null("").to_list()
    root = data.folder.resolve()

    def read() -> Iterator[Found]:
        for row in wanted:
            name = named[row]
            if not name:
                continue
            if name.lower().startswith(("http://", "https://")):
                yield _fetched(row, name) if download else Found(row, None, _WEB)
                continue
            path = (root / name).resolve()
            if not path.is_relative_to(root):
                yield Found(row, None, f"{name} lies outside of the data folder")
            else:
                yield _opened(row, path)

    return Pieces(sum(bool(named[row]) for row in wanted), read())


_WEB = "a web address, and --allow-download was not given"


def _opened(row: int, path: Path) -> Found:
    try:
        return Found(row, path.read_bytes())
    except OSError as error:
        return Found(row, None, f"{path.name}: {error.strerror or error}")


def _fetched(row: int, address: str) -> Found:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # http and https only
            content = answer.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        return Found(row, None, f"{address}: {error}")
    if len(content) > LARGEST:
        return Found(row, None, f"{address}: more than {LARGEST >> 20} MiB")
    return Found(row, content)
