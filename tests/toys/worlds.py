"""Small worlds: events one can see, or random ones with a seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from hypothesis import strategies as st

from tesserec.core import Clock, Dataset
from tesserec.data.build import from_tables

Event = tuple[Any, ...]  # user, item [, time]


def world(
    events: Sequence[Event],
    clock: Clock | None = None,
    items: Sequence[Any] | None = None,
    vectors: Mapping[str, torch.Tensor] | None = None,
    **columns: Sequence[Any],
) -> Dataset:
    """A dataset of (user, item) or (user, item, time) events, and more columns beside them."""
    names = ["user", "item", "time"][: len(events[0]) if events else 2]
    frame = pl.DataFrame(list(events), schema=names, orient="row").with_columns(
        **{name: pl.Series(values) for name, values in columns.items()}
    )
    table = None if items is None else pl.DataFrame({"id": list(items)})
    return from_tables(frame, table, clock=clock, vectors=vectors)


def random_world(
    seed: int = 0, users: int = 20, items: int = 30, events: int = 200, moments: int = 100
) -> Dataset:
    """Events drawn evenly; the same pair may meet twice, several events may share a moment."""
    draw = np.random.default_rng(seed)
    rows = zip(
        draw.integers(0, users, events).tolist(),
        draw.integers(0, items, events).tolist(),
        draw.integers(0, moments, events).tolist(),
        strict=True,
    )
    return world(list(rows), items=range(items))


@st.composite
def worlds(
    draw: st.DrawFn, clock: Clock | None = None, largest: int = 40, least: int = 1
) -> Dataset:
    """Any small world: repeats, ties in time, people with one event, items nobody met."""
    users, items = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    moments = draw(st.integers(1, 12))
    event = st.tuples(st.integers(0, users - 1), st.integers(0, items - 1), st.integers(0, moments))
    events = draw(st.lists(event, min_size=least, max_size=largest))
    if clock == "none":
        events = [one[:2] for one in events]
    return world(events, clock=clock, items=range(items))
