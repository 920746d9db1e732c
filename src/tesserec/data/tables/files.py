"""Open any file that holds a table."""

from pathlib import Path

from tesserec.core.errors import BadData
from tesserec.data.tables.delimited import delimited_table
from tesserec.data.tables.jsonlines import json_table
from tesserec.data.tables.table import Table, parquet_table

TEXT = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet",)
SUFFIXES = (*PARQUET, *TEXT, *JSON_LINES)


def kind_of(path: Path) -> str:
    """The suffix that says how to read a file, without `.gz`."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def is_table(path: Path) -> bool:
    """Whether a file's name says that it holds a table."""
    return path.is_file() and kind_of(path) in SUFFIXES


def open_table(path: Path) -> Table:
    """The table in a file, told by its suffix. Raises `BadData` for one that cannot be read."""
    kind = kind_of(path)
    if path.stat().st_size == 0:
        raise BadData(f"{path.name} is empty.", "Give a table with a header and rows.")
    if kind in TEXT:
        return delimited_table(path)
    if kind in JSON_LINES:
        return json_table(path)
    if kind in PARQUET:
        return parquet_table(path)
    raise BadData(f"{path.name} is no table tesserec reads: {', '.join(SUFFIXES)}.")
