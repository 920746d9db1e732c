"""JSON lines: one object a line, read one by one, because guessed types lose values in silence."""

import json
import zlib
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from tesserec.core.errors import BadData
from tesserec.data.tables.exact import NO_UTF8, lines_of, open_bytes, shown
from tesserec.data.tables.table import BROKEN, ROW, Loaded, Table, unreadable

NO_OBJECT = "not a JSON object"

_BATCH = 100_000


def json_table(path: Path) -> Table:
    """A file of JSON objects. It is read at once: only then are its columns known."""
    try:
        loaded = read_json_lines(path)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path.name, error) from None
    if not loaded.frame.height and not loaded.broken.height:
        raise BadData(f"{path.name} is empty.", "Give one JSON object a line.")
    columns = tuple(name for name in loaded.frame.columns if name != ROW)
    return Table(path.name, columns, True, lambda: loaded)


def read_json_lines(path: Path) -> Loaded:
    """Every object of a file; a key with values of several types becomes a column of text."""
    frames: list[pl.DataFrame] = []
    broken: list[tuple[int, str, str]] = []
    empty = 0
    with open_bytes(path) as file:
        lines = enumerate(lines_of(file), 1)
        while batch := list(islice(lines, _BATCH)):
            objects: dict[int, dict[str, Any]] = {}
            for row, line in batch:
                if not line.strip():
                    empty += 1
                    continue
                found = _parsed(line)
                if isinstance(found, dict):
                    objects[row] = found
                else:
                    broken.append((row, found, shown(line)))
            frames.append(_frame(objects))
    whole = _together(frames) if frames else pl.DataFrame(schema={ROW: pl.Int64})
    return Loaded(whole, pl.DataFrame(broken, schema=BROKEN, orient="row"), empty)


def _parsed(line: bytes) -> dict[str, Any] | str:
    """The object on a line, or why there is none."""
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return NO_UTF8
    except (json.JSONDecodeError, RecursionError):
        return NO_OBJECT
    return found if isinstance(found, dict) else NO_OBJECT


def _frame(objects: dict[int, dict[str, Any]]) -> pl.DataFrame:
    names = dict.fromkeys(name for one in objects.values() for name in one)
    columns = [_column(name, [one.get(name) for one in objects.values()]) for name in names]
    return pl.DataFrame([pl.Series(ROW, list(objects), dtype=pl.Int64), *columns])


def _column(name: str, values: list[Any]) -> pl.Series:
    """Values of one key with the type they share; text where they share none."""
    kinds = {type(value) for value in values} - {type(None)}
    try:
        if kinds == {int, float}:
            return pl.Series(name, values, dtype=pl.Float64, strict=False)
        if len(kinds) <= 1:
            return pl.Series(name, values, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        pass
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Batches as one frame; a column whose type changes between them becomes a float or text."""
    kinds: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            kinds.setdefault(name, set()).add(dtype)
    for name, found in kinds.items():
        found.discard(pl.Null())
        if len(found) > 1 and not all(dtype.is_numeric() for dtype in found):
            frames = [_with_text(frame, name) for frame in frames]
    return pl.concat(frames, how="diagonal_relaxed")


def _with_text(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    if name not in frame.columns or frame.schema[name] == pl.String:
        return frame
    texts = [_text(value) for value in frame[name].to_list()]
    return frame.with_columns(pl.Series(name, texts, dtype=pl.String))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
