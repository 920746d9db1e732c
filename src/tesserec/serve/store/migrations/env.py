"""How Alembic runs: on the connection, and in the transaction, that `migrate` gives it."""

from alembic import context

from tesserec.serve.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
