"""A folder of files: whose each of them is, and all of them as one table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tesserec.core import Entities
from tesserec.core.errors import BadData

GROUP = 64  # files that lie in one row group, and are held at once
HELD = 16 << 20  # bytes of them, where they are large


def owned_files(folder: Path, items: Entities) -> pl.DataFrame:
    """Files below a folder and their items: item, path, empty; `item` is null where it is nobody's.

    A file belongs to the items that name it in a column of text, by its path (from the folder or
    from beside it) or its name; one that no item names so, to the item whose id is its path or
    name, with or without its suffix. Those that are named come first.
    """
    paths = [one.relative_to(folder) for one in sorted(folder.rglob("*")) if one.is_file()]
    paths = [one for one in paths if not any(part.startswith(".") for part in one.parts)]
    named = _named(paths, folder.name, items)
    others = pl.Series(range(len(paths)), dtype=pl.Int64).to_frame("file")
    others = others.join(named, on="file", how="anti").sort("file")
    called = others.with_columns(
        row=pl.Series(_called(paths, items), dtype=pl.Int64)[others["file"]]
    )
    owned = pl.concat([named, called])
    row = owned["row"].replace(-1, None)
    return pl.DataFrame(
        {
            "item": items.ids.gather(row),
            "path": [str(paths[file]) for file in owned["file"]],
            "empty": [not (folder / paths[file]).stat().st_size for file in owned["file"]],
        },
        schema={"item": items.ids.dtype, "path": pl.String, "empty": pl.Boolean},
    )


def _named(paths: list[Path], folder: str, items: Entities) -> pl.DataFrame:
    """Files that items name in a column of text: file, row; the first of several of one name."""
    spellings = [
        *(f"{folder}/{one.as_posix()}" for one in paths),
        *(one.as_posix() for one in paths),
        *(one.name for one in paths),
    ]
    files = pl.Series([*range(len(paths))] * 3, dtype=pl.Int64)
    names = pl.DataFrame({"text": pl.Series(spellings, dtype=pl.String), "file": files})
    names = names.unique("text", keep="first", maintain_order=True)
    found = [pl.DataFrame(schema={"file": pl.Int64, "row": pl.Int64})]
    for column in items.features.iter_columns():
        if column.dtype == pl.String:
            texts = pl.DataFrame({"text": column}).with_row_index("row")
            rows = texts.join(names, on="text", maintain_order="left")
            found.append(rows.select("file", pl.col("row").cast(pl.Int64)))
    return pl.concat(found).unique(maintain_order=True)


def _called(paths: list[Path], items: Entities) -> list[int]:
    """The row of the item each file is called after, -1 for nobody's."""
    row = [-1] * len(paths)
    ways = (
        [one.with_suffix("").as_posix() for one in paths],
        [one.as_posix() for one in paths],
        [one.stem for one in paths],
        [one.name for one in paths],
    )
    for way in ways:
        row = [
            known if known >= 0 else new
            for known, new in zip(row, items.rows(way).tolist(), strict=True)
        ]
    return row


def write_files(files: pl.DataFrame, folder: Path, out: Path) -> None:
    """The contents of files (item, path), as parquet of item and bytes, a few at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    kind = files["item"].to_arrow().type
    schema = pa.schema([("item", kind), ("bytes", pa.large_binary())])
    # Files are packed already; statistics would hold the least and the greatest of them whole.
    how: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    with parquet.ParquetWriter(out, schema, write_statistics=["item"], **how) as writer:
        for items, contents in _groups(files, folder):
            writer.write_table(pa.table([items, contents], schema=schema))


def _groups(files: pl.DataFrame, folder: Path) -> Iterator[tuple[list[Any], list[bytes]]]:
    items: list[Any] = []
    contents: list[bytes] = []
    for item, path in files.select("item", "path").iter_rows():
        items.append(item)
        contents.append(_read(folder / path))
        if len(items) == GROUP or sum(map(len, contents)) >= HELD:
            yield items, contents
            items, contents = [], []
    if items:
        yield items, contents


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}.") from None
