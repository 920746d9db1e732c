"""Events, new items, sessions, versions of models."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "events",
        sa.Column("place", NUMBER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False, index=True),
        sa.Column("time", sa.BigInteger),
        sa.Column("kind", sa.Text),
        sa.Column("weight", sa.Float(53)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_user", "events", ["user", "place"])
    op.create_table(
        "items",
        sa.Column("place", NUMBER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("features", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user", sa.Text, index=True),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("seen", sa.Float(53), nullable=False, index=True),
    )
    op.create_table(
        "versions",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    where = sa.text("active")
    op.create_index(
        "ix_versions_active",
        "versions",
        ["active"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
