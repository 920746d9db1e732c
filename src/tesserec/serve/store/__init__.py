"""What a server keeps: events, new items, sessions, versions of models, and what was shown."""

from tesserec.core.errors import MissingExtra

try:
    import alembic as _alembic  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
except ImportError:
    raise MissingExtra(
        "What a server keeps needs SQLAlchemy and Alembic.", "Run: pip install 'tesserec[serve]'"
    ) from None

from tesserec.serve.rows import Event, Exposure, Item, Session, Tally, Version
from tesserec.serve.store.store import Store

__all__ = ["Event", "Exposure", "Item", "Session", "Store", "Tally", "Version"]
