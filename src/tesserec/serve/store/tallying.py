"""What versions showed, and what was clicked of it, counted by the database."""

from typing import Any

from sqlalchemy import Connection, Select, case, exists, func, select

from tesserec.serve.rows import Tally
from tesserec.serve.store.tables import EVENTS, EXPOSURES


def tallies(connection: Connection, since: float, window: float) -> list[Tally]:
    """Of each version what it showed since a moment; the shadows after the others.

    A click is an event of the same user with an item that was shown, at most `window` seconds
    after that. Events tell whole seconds, so one in the second of the answer counts, too.
    """
    clicked = exists(_clicks(connection.dialect.name == "sqlite", window))
    asked = (
        select(
            EXPOSURES.c.version,
            EXPOSURES.c.shadow,
            func.count(),
            func.count(EXPOSURES.c.user),
            func.count(EXPOSURES.c.user.distinct()),
            func.coalesce(func.sum(case((clicked, 1), else_=0)), 0),
        )
        .where(EXPOSURES.c.time >= since)
        .group_by(EXPOSURES.c.version, EXPOSURES.c.shadow)
        .order_by(EXPOSURES.c.shadow, EXPOSURES.c.version)
    )
    return [Tally(*row) for row in connection.execute(asked)]


def _clicks(is_sqlite: bool, window: float) -> Select[Any]:
    """The events that are clicks on one answer."""
    held = func.json_each if is_sqlite else func.json_array_elements_text
    shown = held(EXPOSURES.c["items"]).table_valued("value").c.value
    return (
        select(EVENTS.c.place)
        .where(EVENTS.c.user == EXPOSURES.c.user)
        .where(EVENTS.c.time > EXPOSURES.c.time - 1)
        .where(EVENTS.c.time <= EXPOSURES.c.time + window)
        .where(EVENTS.c.item.in_(select(shown).correlate(EXPOSURES)))
        .correlate(EXPOSURES)
    )
