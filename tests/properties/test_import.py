"""Things that are true of every import."""

import io
import random
import tempfile
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tesserec as tr
from tesserec.core import Dataset
from tesserec.data.importing import import_data

# Letters of many scripts, blanks, separators and quotes; no control characters, which are refused.
_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=6).filter(
    lambda text: text.strip() != ""
)
_NUMBERS = st.integers(-(10**17), 10**17)
_IDS = st.one_of(st.just(_TEXT), st.just(_NUMBERS)).flatmap(
    lambda ids: st.lists(ids, min_size=1, max_size=5, unique=True)
)


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Any table of events: ids of any sort, repeats, and a few columns beside them."""
    users, items = draw(_IDS), draw(_IDS)
    count = draw(st.integers(1, 12))

    def some(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=count, max_size=count))

    return pl.DataFrame(
        {
            "user": some(st.sampled_from(users)),
            "item": some(st.sampled_from(items)),
            "time": some(st.integers(0, 2_000_000_000)),
            "rating": some(st.integers(1, 5)),
            "event": some(st.sampled_from(["view", "buy"])),
            "place": some(st.one_of(st.none(), _TEXT)),
        }
    )


def happened(data: Dataset) -> list[tuple]:
    """The events by their raw ids."""
    frame, catalog = data.interactions.frame, data.catalog
    users = catalog.users.ids.gather(frame["user"]).to_list()
    items = catalog.items.ids.gather(frame["item"]).to_list()
    rest = frame.select("time", "weight", pl.col("kind").cast(pl.String)).rows()
    return sorted((user, item, *more) for user, item, more in zip(users, items, rest, strict=True))


@given(frame=tables())
def test_every_event_comes_back_with_its_ids(frame: pl.DataFrame):
    data = tr.read_frame(frame)
    assert happened(data) == sorted(frame.select("user", "item", "time", "rating", "event").rows())


@given(frame=tables(), seed=st.integers(0, 99))
def test_the_order_of_rows_is_irrelevant(frame: pl.DataFrame, seed: int):
    order = random.Random(seed).sample(range(frame.height), frame.height)
    assert tr.read_frame(frame[order]).fingerprint == tr.read_frame(frame).fingerprint


@given(frame=tables())
def test_pandas_and_polars_are_the_same(frame: pl.DataFrame):
    columns = {name: pd.Series(frame[name].to_list()) for name in frame.columns}
    assert happened(tr.read_frame(pd.DataFrame(columns))) == happened(tr.read_frame(frame))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@given(frame=tables())
def test_a_text_file_holds_what_the_frame_holds(separator: str, frame: pl.DataFrame):
    text = frame.write_csv(separator=separator, quote_style="non_numeric")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        path.write_text(text, encoding="utf-8", newline="")
        read = tr.read(path)
    assert happened(read) == happened(tr.read_frame(_as_text_would(frame)))


@given(frame=tables())
def test_a_parquet_file_holds_what_the_frame_holds_and_so_does_the_written_folder(
    frame: pl.DataFrame,
):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        frame.write_parquet(path)
        report = import_data(path, Path(folder) / "out")
        read = tr.read(Path(folder) / "out")
        assert read.fingerprint == report.fingerprint == tr.read_frame(frame).fingerprint
        assert happened(read) == happened(tr.read_frame(frame))


@given(frame=tables(), bad=st.lists(st.sampled_from(["user", "item", "time", "rating"])))
def test_bad_rows_are_counted_and_no_other_row_is_lost(frame: pl.DataFrame, bad: list[str]):
    rows = frame.with_columns(pl.col("time", "rating").cast(pl.String)).to_dicts()
    fine = dict(rows[0])
    broken = [{**fine, name: None if name in ("user", "item") else "?"} for name in bad]
    mixed = pl.DataFrame([*rows, *broken], schema=_textual(frame))
    order = random.Random(len(bad)).sample(range(mixed.height), mixed.height)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        mixed[order].write_parquet(path)
        report = import_data(path, Path(folder) / "out", "quarantine")
        assert sum(one.count for one in report.problems) == len(bad)
        found = {order[row - 1] for one in report.problems for row in one.rows}
        assert found == set(range(len(rows), mixed.height))
        assert happened(tr.read(Path(folder) / "out")) == happened(tr.read_frame(frame))


def _textual(frame: pl.DataFrame) -> dict[str, pl.DataType]:
    return {**frame.schema, "time": pl.String(), "rating": pl.String()}


def _as_text_would(frame: pl.DataFrame) -> pl.DataFrame:
    """Ids that are written like numbers are numbers in a text file, whatever they were."""
    as_text = pl.read_csv(io.StringIO(frame.write_csv()), infer_schema=False)
    for name in ("user", "item"):
        numbers = as_text[name].str.contains(r"^(0|-?[1-9][0-9]{0,17})$").all()
        frame = frame.with_columns(pl.col(name).cast(pl.Int64 if numbers else pl.String))
    return frame
