"""Store: what a server keeps, in an SQLite file or in PostgreSQL."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy import cast as typed
from sqlalchemy.dialects import postgresql, sqlite

from tesserec.core.errors import BadRequest, UnknownId
from tesserec.lifecycle.forgetting.receipt import digest_of
from tesserec.serve.rows import Event, Exposure, Item, Session, Tally, Version
from tesserec.serve.store.engine import Database
from tesserec.serve.store.lately import latest_events, latest_exposures
from tesserec.serve.store.migrating import migrate
from tesserec.serve.store.scrubbing import check, hide, scrub
from tesserec.serve.store.tables import (
    EVENTS,
    EXPOSURES,
    FORGOTTEN,
    ITEMS,
    SESSIONS,
    SETTINGS,
    VERSIONS,
)
from tesserec.serve.store.tallying import tallies
from tesserec.serve.store.together import Together


class Store:
    """Events, new items, sessions, versions of models, and what was shown.

    Many threads may use one store, and several processes one database. What a method was given is
    durable when it returns: it outlives a kill and a power cut.
    """

    def __init__(self, url: str) -> None:
        """Open `sqlite:///FILE`, a path, or `postgresql://...`, and bring it up to date.

        Raises `DamagedFile`, `DiskFull`, `Unavailable`, or `BadData` for one that is newer.
        """
        self._database = Database.at(url)
        check(self._database)
        migrate(self._database)
        self._events = Together(self._write_events)
        self._exposures = Together(self._write_exposures)

    @property
    def name(self) -> str:
        """The path of the file, or the URL without its password."""
        return self._database.name

    def close(self) -> None:
        """Give all connections back."""
        self._database.engine.dispose()

    # Events

    def add(self, events: Sequence[Event]) -> int:
        """Keep events, and return how many were new; an id that was there is passed over.

        All are durable when this returns, and none is kept when it raises.
        """
        for event in events:
            event.check()
        return self._events(events) if events else 0

    def history(self, user: str) -> list[Event]:
        """What somebody did, in order of arrival."""
        return self.histories([user])[0]

    def histories(self, users: Sequence[str]) -> list[list[Event]]:
        """What each of these people did, in order of arrival, by one query."""
        asked = select(*_columns(EVENTS)).where(EVENTS.c.user.in_(self._each(users)))
        found: dict[str, list[Event]] = {user: [] for user in users}
        with self._database.reading() as connection:
            for row in connection.execute(asked.order_by(EVENTS.c.place)):
                event = Event(*row)
                found[event.user].append(event)
        return [found[user] for user in users]

    def forget_user(self, user: str) -> dict[str, int]:
        """Remove everything about somebody, from the files too; returns how many rows went of what.

        What is left is that a user of this digest was forgotten. Raises `Unavailable` where the
        rows went, but another process keeps the files from being emptied.
        """
        row = {"digest": digest_of(user), "time": time.time()}
        noting = self._insert(FORGOTTEN).values(row)
        with self._database.writing() as connection:
            # First: this waits until everybody who is writing what was shown has done so.
            connection.execute(noting.on_conflict_do_update(index_elements=["digest"], set_=row))
            gone = {
                table.name: connection.execute(delete(table).where(table.c.user == user)).rowcount
                for table in (EVENTS, SESSIONS, EXPOSURES)
            }
        scrub(self._database)
        return gone

    def forgotten(self, users: Sequence[str]) -> list[bool]:
        """Which of these people were ever forgotten."""
        digests = [digest_of(user) for user in users]
        with self._database.reading() as connection:
            there = self._forgotten(connection, digests)
        return [digest in there for digest in digests]

    def latest_forgotten(self) -> float:
        """When somebody was forgotten last, in seconds since 1970; 0 for never."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(FORGOTTEN.c.time))).scalar_one() or 0.0

    def forget_item(self, item: str) -> int:
        """Remove an item and all events with it, from the files too; returns how many rows went.

        Lists that held it stay, without it. Sessions are not looked through: they end by
        themselves.
        """
        with self._database.writing() as connection:
            gone = connection.execute(delete(EVENTS).where(EVENTS.c.item == item)).rowcount
            gone += connection.execute(delete(ITEMS).where(ITEMS.c.id == item)).rowcount
            hide(connection, item)
        scrub(self._database)
        return gone

    # New items

    def items(self) -> list[Item]:
        """All items that were added, in order of arrival."""
        with self._database.reading() as connection:
            found = connection.execute(select(*_columns(ITEMS)).order_by(ITEMS.c.place))
            return [Item(*row) for row in found]

    def add_items(self, items: Sequence[Item]) -> int:
        """Keep items, and return how many were new; the others get the features given now."""
        for item in items:
            item.check()
        rows = {item.id: {"id": item.id, "features": dict(item.features)} for item in items}
        if not rows:
            return 0
        adding = self._insert(ITEMS)
        changing = adding.on_conflict_do_update(
            index_elements=["id"], set_={"features": adding.excluded.features}
        )
        with self._database.writing() as connection:
            known = select(func.count()).where(ITEMS.c.id.in_(self._each(list(rows))))
            before = connection.execute(known).scalar_one()
            connection.execute(changing, list(rows.values()))
        return len(rows) - before

    # Sessions

    def keep_session(self, session: Session) -> None:
        """Keep a session as it is now."""
        session.check()
        row = {**vars(session), "state": dict(session.state)}
        adding = self._insert(SESSIONS).values(row)
        with self._database.writing() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=["id"], set_=row))

    def session(self, id: str) -> Session | None:
        """A session as it was kept last; None for one that ended or never was."""
        asked = select(*_columns(SESSIONS)).where(SESSIONS.c.id == id)
        with self._database.reading() as connection:
            row = connection.execute(asked).one_or_none()
        return None if row is None else Session(*row)

    def end_sessions(self, before: float) -> int:
        """Remove the sessions that were last used before a moment; returns how many."""
        with self._database.writing() as connection:
            return connection.execute(delete(SESSIONS).where(SESSIONS.c.seen < before)).rowcount

    # Versions of models

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        order = (VERSIONS.c.created, VERSIONS.c.name)
        return self._versions(select(*_columns(VERSIONS)).order_by(*order))

    def active(self) -> Version | None:
        """The version that answers; None before one was activated."""
        found = self._versions(select(*_columns(VERSIONS)).where(VERSIONS.c.active))
        return found[0] if found else None

    def register(self, version: Version) -> None:
        """Keep a version; if it is active, no other is. The same one twice is one.

        Raises `BadRequest` for a name that another folder has.
        """
        version.check()
        adding = self._insert(VERSIONS).values({**vars(version), "active": False})
        folder = select(VERSIONS.c.folder).where(VERSIONS.c.name == version.name)
        with self._database.writing() as connection:
            connection.execute(adding.on_conflict_do_nothing())
            there = connection.execute(folder).scalar_one()
        if there != version.folder:
            raise BadRequest(
                f"Version {version.name!r} is in {there}.", "Give the new one a name of its own."
            )
        if version.active:
            self.activate(version.name)

    def activate(self, name: str) -> None:
        """Let one version answer, and no other. Raises `UnknownId`."""
        with self._database.writing() as connection:
            # In the order of names, so that two workers at once do not wait for each other.
            locked = select(VERSIONS.c.name).order_by(VERSIONS.c.name).with_for_update()
            names = connection.execute(locked).scalars().all()
            if name not in names:
                raise UnknownId(f"There is no version {name!r} (there are {list(names)}).")
            connection.execute(update(VERSIONS).values(active=False))
            connection.execute(update(VERSIONS).where(VERSIONS.c.name == name).values(active=True))

    # Settings

    def setting(self, name: str) -> Any:
        """What was set last under a name; None where nothing was."""
        with self._database.reading() as connection:
            asked = select(SETTINGS.c.value).where(SETTINGS.c.name == name)
            return connection.execute(asked).scalar_one_or_none()

    def set(self, name: str, value: Any) -> None:
        """Set something that JSON can say, for all who share this store."""
        row = {"name": name, "value": value}
        adding = self._insert(SETTINGS).values(row)
        with self._database.writing() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=["name"], set_=row))

    # What was shown

    def add_exposures(self, exposures: Sequence[Exposure]) -> int:
        """Keep what was shown, and return how much was new; one list for each request.

        What was shown to people before they were forgotten comes too late.
        """
        for exposure in exposures:
            exposure.check()
        return self._exposures(exposures) if exposures else 0

    def exposures(self, version: str | None = None, since: float | None = None) -> list[Exposure]:
        """What was shown, in order: by one version or all, from a moment on or always."""
        asked = select(*_columns(EXPOSURES)).order_by(EXPOSURES.c.place)
        if version is not None:
            asked = asked.where(EXPOSURES.c.version == version)
        if since is not None:
            asked = asked.where(EXPOSURES.c.time >= since)
        with self._database.reading() as connection:
            return [
                Exposure(**{**row, "items": tuple(row["items"])})
                for row in connection.execute(asked).mappings()
            ]

    def end_exposures(self, before: float) -> int:
        """Remove what was shown before a moment; returns how many lists."""
        with self._database.writing() as connection:
            return connection.execute(delete(EXPOSURES).where(EXPOSURES.c.time < before)).rowcount

    def tallies(self, since: float, window: float) -> list[Tally]:
        """What each version showed since a moment, and how much of it was clicked within a time."""
        with self._database.reading() as connection:
            return tallies(connection, since, window)

    # For the monitor

    def latest_events(self, most: int) -> pl.DataFrame:
        """The events that arrived last, with a time, at most so many: user, item, time."""
        with self._database.reading() as connection:
            return latest_events(connection, most)

    def latest_exposures(self, version: str, since: float, most: int) -> pl.DataFrame:
        """What one version showed last, at most so many answers: user, items, time."""
        with self._database.reading() as connection:
            return latest_exposures(connection, version, since, most)

    # Steps

    def _write_events(self, jobs: Sequence[Sequence[Event]]) -> list[int]:
        return self._write(EVENTS, "id", [[vars(one) for one in job] for job in jobs])

    def _write_exposures(self, jobs: Sequence[Sequence[Exposure]]) -> list[int]:
        rows = [[{**vars(one), "items": list(one.items)} for one in job] for job in jobs]
        return self._write(EXPOSURES, "request", rows)

    def _write(self, table: Table, key: str, jobs: list[list[dict[str, Any]]]) -> list[int]:
        """One transaction for all jobs; how many rows of each were new."""
        rows: dict[str, dict[str, Any]] = {}
        owner: dict[str, int] = {}
        for number, job in enumerate(jobs):
            for row in job:
                if rows.setdefault(row[key], row) is row:
                    owner[row[key]] = number
        adding = self._insert(table).on_conflict_do_nothing().returning(table.c[key])

        def size() -> int:
            return sum(len(str(value)) for row in rows.values() for value in row.values())

        with self._database.writing(size) as connection:
            if table is EXPOSURES:
                rows = self._in_time(connection, rows)
            new = connection.execute(adding, list(rows.values())).scalars().all() if rows else []
        counts = [0] * len(jobs)
        for one in new:
            counts[owner[one]] += 1
        return counts

    def _in_time(
        self, connection: Connection, rows: Mapping[str, dict[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """The exposures of people who were not forgotten since."""
        if not self._database.is_sqlite:  # there, whoever writes is alone
            connection.execute(text("LOCK TABLE forgotten IN SHARE MODE"))
        digests = {
            key: digest_of(row["user"]) for key, row in rows.items() if row["user"] is not None
        }
        gone = self._forgotten(connection, list(set(digests.values())))
        return {
            key: row
            for key, row in rows.items()
            if key not in digests or row["time"] > gone.get(digests[key], float("-inf"))
        }

    def _forgotten(self, connection: Connection, digests: Sequence[str]) -> dict[str, float]:
        """When those of these people who were forgotten were."""
        asked = select(FORGOTTEN.c.digest, FORGOTTEN.c.time)
        found = connection.execute(asked.where(FORGOTTEN.c.digest.in_(self._each(digests))))
        return {row.digest: row.time for row in found}

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._database.is_sqlite else postgresql.insert(table)

    def _each(self, ids: Sequence[str]) -> Any:
        """However many ids as one parameter: databases limit how many a query has."""
        if self._database.is_sqlite:
            return select(func.json_each(json.dumps(list(ids))).table_valued("value").c.value)
        return select(func.unnest(typed(list(ids), postgresql.ARRAY(Text))))

    def _versions(self, asked: Select[Any]) -> list[Version]:
        with self._database.reading() as connection:
            return [Version(*row) for row in connection.execute(asked)]


def _columns(table: Table) -> list[ColumnElement[Any]]:
    """The columns of a table that its plain value has, in its order."""
    return [column for column in table.columns if column.name != "place"]
