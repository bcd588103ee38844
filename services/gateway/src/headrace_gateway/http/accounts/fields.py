"""What bodies and queries of the native API have in common; `auth` has the rules and the bounds."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MAXIMUM_AMOUNT = 10**12
"""Of any rate, per minute; as in `auth`, like all bounds here."""


def _with_a_time_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time zone is required, for example 2027-01-01T00:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the years 1 to 9999 are known") from error


def _an_address(value: str) -> str:
    if "@" not in value.strip()[1:-1]:
        raise ValueError("an e-mail address is needed, for example ann@example.org")
    return value


# People and their proofs.
LoginName = Annotated[str, StringConstraints(min_length=1, max_length=254)]
"""The e-mail address of whoever logs in; `auth` alone judges it."""
Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_an_address)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
OptionalPassword = Annotated[str, StringConstraints(max_length=1024)]
"""Empty from people whose accounts have none."""
OptionalCode = Annotated[str, StringConstraints(max_length=40)]
"""Of a second factor; empty without one."""
Code = Annotated[OptionalCode, StringConstraints(min_length=1)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""An opaque secret of Headrace's own."""
FrontEndUri = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
"""Where a login through an identity provider ends."""
Subject = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""Who somebody is at an identity provider."""
ProofKey = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""A challenge or its verifier (RFC 7636)."""

# Names of things.
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
OptionalName = Annotated[str, StringConstraints(max_length=100)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]
OptionalIdentifier = Annotated[str, StringConstraints(max_length=64)]
"""Empty for none."""
Model = Annotated[str, StringConstraints(min_length=1, max_length=200)]
OptionalModel = Annotated[str, StringConstraints(max_length=200)]
"""Empty for all models."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=30)]
"""One of a few that `auth` knows, for example a role."""
Scopes = Annotated[list[str], Field(max_length=50)]

# Amounts and times.
Amount = Annotated[int, Field(ge=1, le=MAXIMUM_AMOUNT)]
BudgetAmount = Annotated[int, Field(ge=0, le=10**15)]
Currency = Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Moment = Annotated[datetime, Field(strict=False), AfterValidator(_with_a_time_zone)]
