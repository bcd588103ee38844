"""Alembic's entry: runs inside the transaction that headrace_common.postgres.migrate opened."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["schema"],
)
context.run_migrations()
