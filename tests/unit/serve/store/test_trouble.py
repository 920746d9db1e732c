"""Full disks, damaged files, databases out of reach: a cause, a cure, and nothing lost."""

import random
import re
import runpy
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import event as signals

from tesserec.core.errors import (
    BadData,
    BadSpec,
    DamagedFile,
    DiskFull,
    MissingExtra,
    TesserecError,
    Unavailable,
)
from tesserec.serve import store as package
from tesserec.serve.store import Event, Store, engine


def events(start: int, count: int) -> list[Event]:
    return [Event(f"{n}", "ann", f"an item with a long name {n}") for n in range(start, count)]


def filled(folder: Path) -> Path:
    path = folder / "store.db"
    store = Store(str(path))
    store.add(events(0, 500))
    store.close()
    return path


def fill_up(store: Store) -> int:
    """Add until there is no room; how many were acknowledged."""
    for number in range(100_000):
        try:
            store.add(events(number, number + 1))
        except DiskFull:
            return number
    raise AssertionError("there was always room")


def test_on_a_full_disk_what_was_acknowledged_is_kept_and_can_be_read(small_disk: Path) -> None:
    path = small_disk / "store.db"
    store = Store(str(path))
    kept = fill_up(store)
    assert kept > 20
    with pytest.raises(DiskFull, match=str(path)) as told:
        store.add(events(kept, kept + 1))
    assert "acknowledged" in told.value.cure
    assert store.history("ann") == events(0, kept)
    store.close()
    again = Store(str(path))
    assert again.history("ann") == events(0, kept)
    again.close()


def test_a_store_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.db"))
    with store._database.outside() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limit = f"PRAGMA max_page_count = {pages + 8}"
    signals.listen(store._database.engine, "begin", lambda c: c.exec_driver_sql(limit))
    kept = fill_up(store)
    assert store.history("ann") == events(0, kept)
    limit = "PRAGMA max_page_count = 100000"
    assert store.add(events(0, kept + 50)) == 50
    assert store.history("ann") == events(0, kept + 50)
    store.close()


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"a letter to somebody" * 500)
    with pytest.raises(DamagedFile, match=str(path)):
        Store(str(path))
    assert path.read_bytes() == b"a letter to somebody" * 500


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_with_its_tail_cut_is_named(tmp_path: Path, share: float) -> None:
    path = filled(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DamagedFile, match=str(path)) as told:
        Store(str(path))
    assert "backup" in told.value.cure


def test_pages_overwritten_with_noise_are_never_answered_from_in_silence(tmp_path: Path) -> None:
    content = filled(tmp_path).read_bytes()
    draw = random.Random(0)
    path = tmp_path / "damaged.db"
    for _ in range(20):
        page = 4096 * draw.randrange(len(content) // 4096)
        path.write_bytes(content[:page] + draw.randbytes(4096) + content[page + 4096 :])
        with pytest.raises(TesserecError, match=str(path)):
            Store(str(path))


def test_a_database_that_another_process_holds_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.2)
    path = filled(tmp_path)
    store = Store(str(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="another process"):
        store.add(events(500, 501))
    assert store.history("ann") == events(0, 500)
    other.execute("ROLLBACK")
    assert store.add(events(500, 501)) == 1
    other.close()
    store.close()


def test_a_reader_of_the_log_is_told_of_when_somebody_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.2)
    path = filled(tmp_path)
    store = Store(str(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM events").fetchone()
    with pytest.raises(Unavailable, match="deleted"):
        store.forget_user("ann")
    other.execute("ROLLBACK")
    assert not any(store.forget_user("ann").values())
    assert b"an item with" not in path.read_bytes()
    assert (tmp_path / "store.db-wal").stat().st_size == 0
    other.close()
    store.close()


def test_every_commit_is_synced_and_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store.db"))
    with store._database.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "journal_mode", "secure_delete")
        }
    assert settings == {"synchronous": 2, "journal_mode": "wal", "secure_delete": 1}
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://host/name", "mysql"),
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("://", "cannot be read"),
    ],
)
def test_urls_of_what_is_no_store_are_refused(url: str, says: str) -> None:
    with pytest.raises(BadSpec, match=says):
        Store(url)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=str(tmp_path)):
        Store(str(tmp_path))


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Unavailable, match="localhost") as told:
        Store("postgresql://ann:hunter2@localhost:1/shop?connect_timeout=2")
    assert "hunter2" not in str(told.value)


def test_a_database_that_the_server_does_not_have_is_named(new_postgres) -> None:
    url = new_postgres().replace("/test_", "/nothing_")
    with pytest.raises(TesserecError, match="nothing_"):
        Store(url)


def test_a_lost_connection_is_made_anew(new_postgres) -> None:
    import psycopg

    url = new_postgres()
    store = Store(url)
    store.add(events(0, 2))
    name = url.split("/")[3].split("?")[0]
    with psycopg.connect(url.replace(name, "postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
    assert store.add(events(0, 3)) == 1
    assert store.history("ann") == events(0, 3)
    store.close()


def test_a_missing_package_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'tesserec[postgres]'")):
        Store("postgresql://localhost/shop")
    monkeypatch.setitem(sys.modules, "alembic", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'tesserec[serve]'")):
        runpy.run_path(str(package.__file__))
