"""Delimited files line by line: slower than polars, and exact about which row is wrong and why."""

import csv
import gzip
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from tesserec.data.tables.table import BROKEN, ROW, Loaded

WRONG_FIELDS = "wrong number of fields"
NO_UTF8 = "invalid UTF-8"

_BATCH = 20_000  # records taken apart at a time
_LONGEST = 1_000  # lines a quoted field may span; an open quote costs no more than its own line


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written."""

    columns: tuple[str, ...]
    separator: str
    quote: str | None

    @property
    def mark(self) -> bytes | None:
        return self.quote.encode() if self.quote else None


def read_delimited(path: Path, layout: Layout) -> Loaded:
    """A delimited file with its header; empty fields are null."""
    frames: list[pl.DataFrame] = []
    broken: list[tuple[int, str, str]] = []
    empty = 0
    with open_bytes(path) as file:
        records = enumerate(_records(file, layout), 1)
        next(row for row, record in records if record.strip())  # the header
        while batch := list(islice(records, _BATCH)):
            filled = [(row, record) for row, record in batch if record.strip()]
            frame, lost = _taken_apart(filled, layout)
            held = frame.filter(pl.any_horizontal(pl.col(*layout.columns).is_not_null()))
            empty += len(batch) - held.height - len(lost)
            frames.append(held)
            broken += lost
    frame = pl.concat(frames) if frames else _frame([], [], layout)
    return Loaded(frame, pl.DataFrame(broken, schema=BROKEN, orient="row"), empty)


def _records(file: Iterable[bytes], layout: Layout) -> Iterator[bytes]:
    """The bytes of each record: a line, or several where a quoted field goes on.

    Where joining lines gives no whole record, the first of them is taken by itself and the
    others are read again, so that a forgotten quote never swallows the rows below it.
    """
    waiting: deque[bytes] = deque()
    lines, mark = lines_of(file), layout.mark
    while True:
        line = waiting.popleft() if waiting else next(lines, None)
        if line is None:
            return
        if mark is None or mark not in line:
            yield line
            continue
        joined = [line]
        while _is_open(joined, mark) and len(joined) < _LONGEST:
            more = waiting.popleft() if waiting else next(lines, None)
            if more is None:
                break
            joined.append(more)
        record = b"".join(joined)
        if len(joined) > 1 and isinstance(_fields(record, layout), str):
            waiting.extendleft(reversed(joined[1:]))
            record = line
        yield record


def _is_open(lines: list[bytes], mark: bytes) -> bool:
    return sum(line.count(mark) for line in lines) % 2 == 1


def _taken_apart(
    records: list[tuple[int, bytes]], layout: Layout
) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """The fields of whole records, and the broken ones.

    Polars takes apart the lines about which there can be no doubt.
    """
    mark, comma, marks = layout.mark, layout.separator.encode(), len(layout.columns) - 1

    def is_plain(record: bytes) -> bool:
        return (mark is None or mark not in record) and record.count(comma) == marks

    plain = [(row, record) for row, record in records if is_plain(record)]
    if not _is_utf8(b"".join(record for _, record in plain)):
        plain = [(row, record) for row, record in plain if _is_utf8(record)]
    known = {row for row, _ in plain}
    rows, found, broken = [], [], []
    for row, record in records:
        if row not in known:
            fields = _fields(record, layout)
            if isinstance(fields, str):
                broken.append((row, fields, shown(record)))
            else:
                rows.append(row)
                found.append(fields)
    frames = [_plain_frame(plain, layout), _frame(rows, found, layout)]
    return pl.concat(frames).sort(ROW), broken


def _fields(record: bytes, layout: Layout) -> list[str] | str:
    """The fields of one record, or the reason why they cannot be told apart."""
    try:
        text = _bare(record).decode("utf-8")
    except UnicodeDecodeError:
        return NO_UTF8
    if layout.quote is None or layout.quote not in text:
        fields = text.split(layout.separator)
    else:
        parts = [f"{part}\n" for part in text.split("\n")]
        try:
            found = list(csv.reader(parts, delimiter=layout.separator, quotechar=layout.quote))
        except csv.Error:
            return WRONG_FIELDS
        fields = found[0] if len(found) == 1 else []
    return fields if len(fields) == len(layout.columns) else WRONG_FIELDS


def _plain_frame(records: list[tuple[int, bytes]], layout: Layout) -> pl.DataFrame:
    if not records:
        return _frame([], [], layout)
    frame = pl.read_csv(
        io.BytesIO(b"\n".join(_bare(record) for _, record in records)),
        has_header=False,
        schema=dict.fromkeys(layout.columns, pl.String),
        separator=layout.separator,
        quote_char=None,
    )
    return frame.select(pl.Series(ROW, [row for row, _ in records], dtype=pl.Int64), pl.all())


def _frame(rows: list[int], records: list[list[str]], layout: Layout) -> pl.DataFrame:
    frame = pl.DataFrame(records, schema=dict.fromkeys(layout.columns, pl.String), orient="row")
    frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return frame.select(pl.Series(ROW, rows, dtype=pl.Int64), pl.all())


def open_bytes(path: Path) -> BinaryIO:
    """A file, unpacked if it ends in .gz."""
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def lines_of(file: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their ends, the first without a byte order mark."""
    for number, line in enumerate(file):
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line


def shown(line: bytes) -> str:
    """A broken line as text, with what is no UTF-8 spelt out."""
    return _bare(line).decode("utf-8", errors="backslashreplace")


def _bare(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
