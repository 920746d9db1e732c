"""What was shown to whom by which version, for comparing versions on live traffic."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of exposures."""
    op.create_table(
        "exposures",
        sa.Column("place", NUMBER, primary_key=True),
        sa.Column("request", sa.Text, nullable=False, unique=True),
        sa.Column("version", sa.Text, nullable=False, index=True),
        sa.Column("user", sa.Text, index=True),
        sa.Column("items", sa.JSON, nullable=False),
        sa.Column("time", sa.Float(53), nullable=False),
        sqlite_autoincrement=True,
    )
