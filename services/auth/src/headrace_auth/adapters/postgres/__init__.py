"""The Store in PostgreSQL, schema `auth`."""
