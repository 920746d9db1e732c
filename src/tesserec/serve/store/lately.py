"""What happened and what was shown lately, as tables: the newest rows, so that it takes no longer
the longer a server runs.

The database writes rows as JSON, and polars reads that: a row that becomes objects of Python takes
ten times as long, and holds up whoever is answered meanwhile.
"""

from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, Text, cast, func, select

from tesserec.lifecycle.monitor.live import EVENTS as EVENT
from tesserec.lifecycle.monitor.live import SHOWN
from tesserec.serve.store.tables import EVENTS, EXPOSURES

PART = 20_000  # rows that are read at once: texts are copied while nobody else may go on


def latest_events(connection: Connection, most: int) -> pl.DataFrame:
    """The events that arrived last and have a time, at most so many: user, item, time."""
    asked = select(EVENTS.c.place, EVENTS.c.user, EVENTS.c.item, EVENTS.c.time)
    asked = asked.where(EVENTS.c.time.is_not(None))
    return _latest(connection, asked, EVENT, most)


def latest_exposures(connection: Connection, version: str, since: float, most: int) -> pl.DataFrame:
    """What one version showed last, at most so many answers: user, items, time."""
    columns = (EXPOSURES.c.place, EXPOSURES.c.user, EXPOSURES.c["items"], EXPOSURES.c.time)
    asked = select(*columns)
    asked = asked.where(EXPOSURES.c.version == version, ~EXPOSURES.c.shadow)
    return _latest(connection, asked.where(EXPOSURES.c.time > since), SHOWN, most)


def _latest(
    connection: Connection, asked: Select[Any], columns: dict[str, Any], most: int
) -> pl.DataFrame:
    """The last rows of a query with a place, in order of arrival."""
    place = asked.selected_columns.place
    parts, before = [pl.DataFrame(schema=columns)], None
    while most > 0:
        rest = asked if before is None else asked.where(place < before)
        part = rest.order_by(place.desc()).limit(min(most, PART))
        found = _table(connection, part, {"place": pl.Int64, **columns})
        if not len(found):
            break
        before, most = found["place"].min(), most - len(found)
        parts.append(found.sort("place").drop("place"))
    return pl.concat([parts[0], *reversed(parts[1:])])


def _table(connection: Connection, part: Select[Any], columns: dict[str, Any]) -> pl.DataFrame:
    """The rows of a query as one text, and from that a table."""
    rows = part.subquery()
    is_sqlite = connection.dialect.name == "sqlite"
    written = func.json_object if is_sqlite else func.json_build_object
    gathered = func.json_group_array if is_sqlite else func.json_agg
    values: dict[str, Any] = {name: rows.c[name] for name in columns}
    if is_sqlite and "items" in values:
        values["items"] = func.json(values["items"])  # or it would be the text of a list
    pairs = [one for pair in values.items() for one in pair]
    text = connection.execute(select(cast(gathered(written(*pairs)), Text))).scalar_one() or "[]"
    kind = pl.List(pl.Struct(columns))
    return pl.Series([text]).str.json_decode(kind).explode().drop_nulls().struct.unnest()
