"""What databases say when something is wrong, in our words: which file or server, and the cure."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from tesserec.core.errors import BadData, DamagedFile, DiskFull, TesserecError, Unavailable

# SQLite writes whole pages to its log: of the table, of each of its indexes, and of how many rows
# there are.
PAGES, PAGE = 5, 4096 + 24


@contextmanager
def told(where: str, size: Callable[[], int] = int) -> Iterator[None]:
    """Raise a `TesserecError` that names the database instead of what its driver raises.

    `size` counts the bytes that are being written, where that is known.
    """
    try:
        yield
    except DBAPIError as error:
        meant = _of_sqlite(where, size, error) or _of_postgres(where, error)
        if meant is None:
            raise
        raise meant from error
    except TimeoutError as error:
        raise Unavailable(f"All connections to {where} are in use.", _AGAIN) from error


def _of_sqlite(where: str, size: Callable[[], int], error: DBAPIError) -> TesserecError | None:
    """By the name of SQLite's result code; None for what is our own mistake."""
    name = getattr(error.orig, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        free = shutil.disk_usage(Path(where).parent).free
        wanted = f"about {PAGES * PAGE + size():,} bytes are needed, and {free:,} bytes are free"
        return DiskFull(f"No room to write {where}: {wanted}.", _ROOM)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damaged(where, str(error.orig))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(f"{where} is held by another process.", _AGAIN)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return BadData(
            f"{where} cannot be written: {error.orig}.", "Check who owns the file and its folder."
        )
    if name.startswith("SQLITE_IOERR"):
        return Unavailable(f"{where} cannot be read or written: {error.orig}.", _DISK)
    return None


def _of_postgres(where: str, error: DBAPIError) -> TesserecError | None:
    """By the class of the SQL state (PostgreSQL's manual, appendix A)."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == "53100":
        return DiskFull(f"The server of {where} has no room left.", _ROOM)
    if state.startswith("XX00"):
        return damaged(where, str(error.orig).strip())
    if state.startswith(("28", "3D", "42501", "25006")):
        return BadData(f"{where} refuses us: {str(error.orig).strip()}", "Check the URL.")
    if isinstance(error, OperationalError):
        return Unavailable(f"{where} does not answer: {str(error.orig).strip()}", _AGAIN)
    return None


def damaged(where: str, why: str) -> DamagedFile:
    """A database that cannot be trusted."""
    return DamagedFile(
        f"{where} is damaged: {why}.",
        "Put back a backup, or save what can be read: sqlite3 FILE .recover | sqlite3 NEW",
    )


_AGAIN = "Try again in a moment."
_ROOM = "Free some space and send it again; what was acknowledged is kept."
_DISK = "Look whether the disk is full or failing; what was acknowledged is kept."
