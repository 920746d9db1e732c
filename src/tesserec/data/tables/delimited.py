"""CSV, TSV and their relatives: polars reads them, and the exact reader what polars cannot."""

import csv
import zlib
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from tesserec.core.errors import BadData
from tesserec.data.tables.exact import Layout, open_bytes, read_delimited
from tesserec.data.tables.table import ROW, Loaded, Table, unreadable

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 50  # lines looked at to tell the separator


def delimited_table(path: Path, separator: str | None = None, quote: str | None = '"') -> Table:
    """A file with a header; the separator is told from its first lines unless it is given."""
    layout, above = _layout(path, separator, quote)
    return Table(path.name, layout.columns, False, partial(_load, path, layout, above))


def _load(path: Path, layout: Layout, above: int) -> Loaded:
    """Polars where every row is whole and on one line, else line by line."""
    try:
        return _fast(path, layout, above) or read_delimited(path, layout)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path.name, error) from None


def _fast(path: Path, layout: Layout, above: int) -> Loaded | None:
    """What polars reads, where that is sure to be every row as it stands in the file.

    Polars takes an open quote for a field of many lines, and with it the rows on them.
    """
    texts = pl.col(*layout.columns)
    try:
        frame = _scan(path, layout, above).collect()
        if frame.select(pl.any_horizontal(texts.str.contains("\n", literal=True).any())).item():
            return None
        if frame[layout.columns[-1]].null_count() and not _is_even(path, layout, above):
            return None
    except pl.exceptions.PolarsError:
        return None
    # A quoted empty field is text of no length to polars, and as empty as the others to us.
    frame = frame.with_columns(pl.when(texts != "").then(texts))
    filled = frame.filter(pl.any_horizontal(texts.is_not_null()))
    return Loaded(filled, empty=frame.height - filled.height)


def _scan(path: Path, layout: Layout, above: int) -> pl.LazyFrame:
    return pl.scan_csv(
        path,
        schema=dict.fromkeys(layout.columns, pl.String),
        separator=layout.separator,
        quote_char=layout.quote,
        skip_rows=above,
        row_index_name=ROW,
        row_index_offset=above + 2,
        glob=False,
    ).cast({ROW: pl.Int64})


def _is_even(path: Path, layout: Layout, above: int) -> bool:
    """Whether every line has as many separators as the header.

    Polars fills a row that ends early with nulls, as if its last fields were empty.
    """
    if len(layout.columns) == 1:
        return True
    lines = pl.scan_csv(
        path,
        has_header=False,
        schema={"line": pl.String},
        separator="\x1f",
        quote_char=None,
        skip_rows=above,
        glob=False,
    )
    line = pl.col("line")
    if layout.quote:
        line = line.str.replace_all(f"{layout.quote}[^{layout.quote}]*{layout.quote}", "")
    marks = line.str.count_matches(layout.separator, literal=True)
    uneven = (marks != len(layout.columns) - 1) & (pl.col("line") != "")
    return not lines.select(uneven.any()).collect().item()


def _layout(path: Path, separator: str | None, quote: str | None) -> tuple[Layout, int]:
    """How a file is written, and how many empty lines stand above its header."""
    lines = _first_lines(path)
    above = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[above:]
    if not lines:
        raise BadData(f"{path.name} is empty.", "Give a table with a header and rows.")
    if separator is None:
        known = "\t" if ".tsv" in path.suffixes else None
        separator = known or max(_SEPARATORS, key=partial(_fit, lines, quote))
    columns = [name.strip() for name in _split(lines[:1], separator, quote)[0]]
    _check_header(path, lines[0], columns)
    return Layout(tuple(columns), separator, quote), above


def _fit(lines: list[str], quote: str | None, separator: str) -> tuple[bool, float, int]:
    """How well a separator explains the first lines: several columns, as many in every row."""
    records = _split(lines, separator, quote)
    width = len(records[0])
    even = sum(len(record) == width for record in records) / len(records)
    return width > 1, even if width > 1 else 0.0, width


def _split(lines: list[str], separator: str, quote: str | None) -> list[list[str]]:
    if quote is None:
        return [line.rstrip("\r\n").split(separator) for line in lines]
    try:
        records = list(csv.reader(lines, delimiter=separator, quotechar=quote))
    except csv.Error:
        records = []
    return [record for record in records if record] or [[]]


def _first_lines(path: Path) -> list[str]:
    with open_bytes(path) as file:
        try:
            raw = list(islice(file, _SAMPLE))
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(path.name, error) from None
    if raw and raw[0][:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadData(f"{path.name} is UTF-16.", "Save it as UTF-8.")
    texts = [line.decode("utf-8", errors="replace") for line in raw]
    return [texts[0].removeprefix("\ufeff"), *texts[1:]] if texts else []


def _check_header(path: Path, line: str, columns: list[str]) -> None:
    if "\r" in line.rstrip("\r\n"):
        raise BadData(f"{path.name} ends its lines with a bare CR.", "Save it with LF or CRLF.")
    if "�" in line:
        raise BadData(f"The header of {path.name} is not UTF-8.", "Save the file as UTF-8.")
    for name in columns:
        if columns.count(name) > 1:
            raise BadData(f"{path.name} has two columns called {name!r}.", "Rename one of them.")
    if all(name.replace(".", "", 1).replace("-", "", 1).isdigit() for name in columns):
        raise BadData(
            f"{path.name} has no header: its first row is {', '.join(columns)}.",
            "Add a first row that names the columns.",
        )
