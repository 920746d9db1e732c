"""How traffic is split, what shadows would have shown, and who was forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add two tables, and to exposures whether they were seen."""
    op.add_column(
        "exposures", sa.Column("shadow", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_index("ix_exposures_time", "exposures", ["time"])
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
    op.create_table(
        "forgotten",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("time", sa.Float(53), nullable=False),
    )
