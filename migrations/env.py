"""How Alembic reaches the database: over the connection that `waypost.store.migrate` hands it."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="waypost_schema",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
