"""A database is brought to today's tables, from nothing or from any older version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text

from tesserec.core.errors import BadData
from tesserec.serve.store.engine import Database

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_365_601  # any number that nobody else locks in this database


def migrate(database: Database, version: str = "head") -> None:
    """Run what is missing, in one transaction. Raises `BadData` for a database of a newer version.

    Several workers may start at once: one migrates, and the others find it done.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, version)
        except CommandError as error:
            raise BadData(
                f"{database.name} was written by another version of tesserec: {error}.",
                "Install the newest tesserec, or name a new database.",
            ) from None
