"""The tables of a store as they are now; `migrations/versions` says how they came to be."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
)

METADATA = MetaData()

# SQLite counts rows in a column that is called INTEGER and nothing else.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")

EVENTS = Table(
    "events",
    METADATA,
    Column("place", NUMBER, primary_key=True),  # in order of arrival
    Column("id", Text, nullable=False, unique=True),
    Column("user", Text, nullable=False),
    Column("item", Text, nullable=False, index=True),
    Column("time", BigInteger),
    Column("kind", Text),
    Column("weight", Float(53)),
    Index("ix_events_user", "user", "place"),
    sqlite_autoincrement=True,  # the place of a forgotten event is not given to another
)

ITEMS = Table(
    "items",
    METADATA,
    Column("place", NUMBER, primary_key=True),  # in order of arrival
    Column("id", Text, nullable=False, unique=True),
    Column("features", JSON, nullable=False),
    sqlite_autoincrement=True,
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("user", Text, index=True),
    Column("state", JSON, nullable=False),
    Column("seen", Float(53), nullable=False, index=True),
)

VERSIONS = Table(
    "versions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("folder", Text, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("active", Boolean, nullable=False),
)
# One version is active at most, whatever several workers do at once.
Index(
    "ix_versions_active",
    VERSIONS.c.active,
    unique=True,
    sqlite_where=VERSIONS.c.active,
    postgresql_where=VERSIONS.c.active,
)

EXPOSURES = Table(
    "exposures",
    METADATA,
    Column("place", NUMBER, primary_key=True),
    Column("request", Text, nullable=False, unique=True),
    Column("version", Text, nullable=False, index=True),
    Column("user", Text, index=True),
    Column("items", JSON, nullable=False),  # ids, best first
    Column("time", Float(53), nullable=False, index=True),
    # Whether nobody saw it: what another version would have shown.
    Column("shadow", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", JSON, nullable=False),
)

FORGOTTEN = Table(
    "forgotten",
    METADATA,
    Column("digest", Text, primary_key=True),  # SHA-256 of the id, so that no name stays here
    Column("time", Float(53), nullable=False),  # seconds since 1970
)
