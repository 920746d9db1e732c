"""What was deleted leaves the files too, and files are looked at before they are trusted."""

import json

from sqlalchemy import Connection, Text, cast, select, text, update

from tesserec.core.errors import Unavailable
from tesserec.serve.store.engine import Database
from tesserec.serve.store.tables import EXPOSURES, METADATA
from tesserec.serve.store.trouble import damaged


def scrub(database: Database) -> None:
    """Let nothing of deleted rows stay in the files; takes seconds for each gigabyte.

    SQLite overwrites a deleted row, but not the copies that lie between the rows of a page since
    it was split: the file is written anew, and the log beside it is emptied. PostgreSQL frees
    the room of the rows; its own log and its backups are in the hands of who runs it.
    Raises `Unavailable` while another process reads the log.
    """
    with database.outside() as connection:
        if not database.is_sqlite:
            connection.execute(text(f"VACUUM {', '.join(METADATA.tables)}"))
            return
        connection.exec_driver_sql("VACUUM")
        is_busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    if is_busy:
        raise Unavailable(
            f"The rows are deleted, but {database.name}-wal is read by another process.",
            "Forget again when it is done, so that the file is emptied.",
        )


def hide(connection: Connection, item: str) -> int:
    """Take one item out of all lists that were shown; returns how many lists."""
    quoted = json.dumps(item).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    held = cast(EXPOSURES.c["items"], Text).like(f"%{quoted}%", escape="\\")
    found = connection.execute(select(EXPOSURES.c.place, EXPOSURES.c["items"]).where(held)).all()
    for place, shown in found:
        kept = [one for one in shown if one != item]
        rows = update(EXPOSURES).where(EXPOSURES.c.place == place)
        connection.execute(rows.values(items=kept))
    return len(found)


def check(database: Database) -> None:
    """Raise `DamagedFile` for an SQLite file whose pages do not fit together."""
    if not database.is_sqlite:
        return
    with database.reading() as connection:
        said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if said != "ok":
        raise damaged(database.name, str(said).replace("\n", " "))
