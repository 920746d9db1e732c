"""A database of any age becomes one of today."""

import os
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from tesserec.core.errors import BadData
from tesserec.serve.store import Event, Exposure, Store
from tesserec.serve.store.engine import Database, write_ahead
from tesserec.serve.store.migrating import migrate
from tesserec.serve.store.tables import METADATA


def test_an_empty_database_gets_the_tables_that_the_code_speaks_of(database_url: str) -> None:
    Store(database_url).close()
    database = Database.at(database_url)
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
        ours = {name for name in inspect(connection).get_table_names() if name in METADATA.tables}
        indexes = {
            table: {one["name"] for one in inspect(connection).get_indexes(table)}
            for table in METADATA.tables
        }
    assert differences == []
    assert ours == set(METADATA.tables)
    for name, table in METADATA.tables.items():
        assert {index.name for index in table.indexes} <= indexes[name]


def test_a_database_of_the_first_version_keeps_what_it_holds(database_url: str) -> None:
    old = Database.at(database_url)
    migrate(old, "0001")
    with old.writing() as connection:
        row = "INSERT INTO events (id, \"user\", item, time) VALUES ('1', 'ann', 'tea', 7)"
        connection.execute(text(row))
    with old.reading() as connection:
        assert "exposures" not in inspect(connection).get_table_names()
    old.engine.dispose()
    store = Store(database_url)
    assert store.history("ann") == [Event("1", "ann", "tea", 7)]
    assert store.add_exposures([Exposure("r", "v1", "ann", ("tea",), 1.0)]) == 1
    store.close()


def test_a_database_of_a_version_to_come_is_left_as_it_is(database_url: str) -> None:
    Store(database_url).close()
    database = Database.at(database_url)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadData, match="another version of tesserec"):
        Store(database_url)
    with database.reading() as connection:
        there = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert there == "9999"


def opening(url: str, go: int) -> int:
    """A child that waits for a byte and then opens a store; it ends with what was new to it."""
    child = os.fork()
    if not child:
        try:
            os.read(go, 1)
            os._exit(Store(url).add([Event("1", "ann", "tea")]))
        finally:
            os._exit(9)
    return child


def test_workers_that_start_at_once_on_an_empty_database_all_get_it(database_url: str) -> None:
    waiting, begin = os.pipe()
    workers = [opening(database_url, waiting) for _ in range(5)]
    os.write(begin, bytes(5))
    new = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    assert sorted(new) == [0, 0, 0, 0, 1]


class Refusing:
    """A connection that is refused a few times."""

    def __init__(self, times: int, words: str) -> None:
        self.left, self.words, self.said = times, words, ""

    def execute(self, said: str) -> None:
        self.said = said
        if self.left:
            self.left -= 1
            raise sqlite3.OperationalError(self.words)


def test_who_is_refused_while_another_switches_the_journal_tries_again() -> None:
    connection = Refusing(2, "database is locked")
    write_ahead(connection)
    assert (connection.left, connection.said) == (0, "PRAGMA journal_mode = WAL")
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        write_ahead(Refusing(1, "disk I/O error"))
