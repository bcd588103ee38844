"""The schema that all of auth's tables belong to, and the columns that recur."""

from sqlalchemy import Column, DateTime, MetaData

SCHEMA = "auth"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)


def moment(name: str, *, nullable: bool = False) -> "Column[object]":
    """A column for a time; a helper, since a Column object belongs to one table."""
    return Column(name, DateTime(timezone=True), nullable=nullable)
