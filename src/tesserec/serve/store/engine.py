"""Connections to SQLite, durable and forgetful of what is deleted, and to PostgreSQL."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from tesserec.core.errors import BadSpec, MissingExtra
from tesserec.serve.store.trouble import told

PATIENCE_SECONDS = 30  # for another process that writes
_POOL = {"pool_size": 8, "max_overflow": 32, "pool_timeout": PATIENCE_SECONDS}


@dataclass(frozen=True, eq=False)
class Database:
    """An engine, and how transactions begin on it."""

    url: URL
    engine: Engine
    # SQLite lets one write at a time, and those who wait poll: within a process we queue instead.
    turn: Lock = field(default_factory=Lock)

    @classmethod
    def at(cls, url: str) -> "Database":
        """For `sqlite:///FILE`, the path of a file, or `postgresql://...`; raises `BadSpec`."""
        parsed = _parsed(url)
        if parsed.get_backend_name() == "sqlite":
            return cls(parsed, _sqlite(parsed))
        return cls(parsed, _postgres(parsed))

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours."""
        return self.engine.dialect.name == "sqlite"

    @property
    def name(self) -> str:
        """What messages call it: the path, or the URL without its password."""
        if self.is_sqlite:
            return str(self.url.database)
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment."""
        with told(self.name), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, size: Callable[[], int] = int) -> Iterator[Connection]:
        """A transaction: durable when the block ends, and undone when it raises.

        `size` counts the bytes of the rows, for the message where there is no room.
        """
        # A transaction that began as a reader may not become a writer once another has written.
        engine = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        with self.turn, told(self.name, size), engine.begin() as connection:
            yield connection

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection without a transaction, for what the database does with its files."""
        options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
        if self.is_sqlite:
            options = {"begin": ""}
        engine = self.engine.execution_options(**options)
        with self.turn, told(self.name), engine.connect() as connection:
            yield connection


def _parsed(url: str) -> URL:
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadSpec("The database's URL cannot be read.", _FORMS) from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadSpec(f"There is no store in {parsed.get_backend_name()!r}.", _FORMS)
    return parsed


_FORMS = "Write sqlite:///path/to/store.db or postgresql://user:password@host/name."


def _sqlite(url: URL) -> Engine:
    path = url.database or ":memory:"
    if path == ":memory:" or path.startswith("file:"):
        raise BadSpec("A store in memory keeps nothing.", "Name a file: sqlite:///store.db")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Transactions are begun below and not by the driver, which would not let us choose how.
    arguments = {"timeout": PATIENCE_SECONDS, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, **_POOL)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        for pragma in (
            "secure_delete = ON",  # what is deleted is overwritten with zeros
            "synchronous = FULL",  # every commit is on the disk when it returns
            "temp_store = MEMORY",  # nothing about people in a folder for temporary files
        ):
            connection.execute(f"PRAGMA {pragma}")
        write_ahead(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        how = connection.get_execution_options().get("begin", "BEGIN")
        if how:
            connection.exec_driver_sql(how)

    return engine


def write_ahead(connection: Any) -> None:
    """Let readers not wait for writers, from now on and for all who open the file.

    Of two who switch a new file at once, SQLite refuses one without letting it wait, as each would
    wait for the other: who is refused tries again.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _postgres(url: URL) -> Engine:
    try:
        # A connection that the server has closed is found out before it is used.
        engine = create_engine(url, pool_pre_ping=True, **_POOL)
    except ImportError:
        raise MissingExtra(
            "PostgreSQL needs psycopg.", "Run: pip install 'tesserec[postgres]'"
        ) from None

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # A server may be set up to acknowledge before it has written.
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
        connection.commit()

    return engine
