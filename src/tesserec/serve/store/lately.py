"""What happened and what was shown lately, as tables: the newest rows, so that it takes no longer
the longer a server runs.
"""

from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, Text, cast, select

from tesserec.lifecycle.monitor.live import EVENTS as EVENT
from tesserec.lifecycle.monitor.live import SHOWN
from tesserec.serve.store.tables import EVENTS, EXPOSURES

PART = 20_000  # rows that are turned into a table at once


def latest_events(connection: Connection, most: int) -> pl.DataFrame:
    """The events that arrived last and have a time, at most so many: user, item, time."""
    asked = select(EVENTS.c.user, EVENTS.c.item, EVENTS.c.time)
    asked = asked.where(EVENTS.c.time.is_not(None)).order_by(EVENTS.c.place.desc()).limit(most)
    return _table(connection, asked, EVENT)


def latest_exposures(connection: Connection, version: str, since: float, most: int) -> pl.DataFrame:
    """What one version showed last, at most so many answers: user, items, time."""
    asked = select(EXPOSURES.c.user, cast(EXPOSURES.c["items"], Text), EXPOSURES.c.time)
    asked = asked.where(EXPOSURES.c.version == version, ~EXPOSURES.c.shadow)
    asked = asked.where(EXPOSURES.c.time > since).order_by(EXPOSURES.c.place.desc()).limit(most)
    found = _table(connection, asked, {**SHOWN, "items": pl.String})
    return found.with_columns(pl.col("items").str.json_decode(SHOWN["items"]))


def _table(connection: Connection, asked: Select[Any], columns: Any) -> pl.DataFrame:
    """The rows of a query, the first in order of arrival first."""
    rows = connection.execution_options(stream_results=True).execute(asked)
    parts = [
        pl.DataFrame(list(map(tuple, part)), schema=columns, orient="row")
        for part in rows.partitions(PART)
    ]
    return pl.concat([pl.DataFrame(schema=columns), *parts]).reverse()
