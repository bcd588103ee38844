"""What the native API's account routes accept and answer."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from headrace_gateway.http.bodies import Body
from headrace_gateway.ports import ApiKey, NewApiKey

MAXIMUM_AMOUNT = 10**12
"""Of any rate, per minute; as in `auth`."""


class LoginBody(Body):
    """`POST /api/v1/auth/login`."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class NewApiKeyBody(Body):
    """`POST /api/v1/keys`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Field(max_length=50)] = Field(default_factory=list)
    allowed_models: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    expires_at: Annotated[datetime, Field(strict=False)] | None = None
    requests_per_minute: int | None = Field(default=None, ge=1, le=MAXIMUM_AMOUNT)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MAXIMUM_AMOUNT)

    @field_validator("expires_at")
    @classmethod
    def _has_a_time_zone(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time zone is required, for example 2027-01-01T00:00:00Z")
        try:
            return value and value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("the years 1 to 9999 are known") from error

    def domain(self) -> NewApiKey:
        return NewApiKey(
            name=self.name,
            scopes=tuple(self.scopes),
            allowed_models=tuple(self.allowed_models),
            expires_at=self.expires_at,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
        )


def api_key_json(key: ApiKey) -> dict[str, Any]:
    """A key as the API shows it, without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "allowed_models": list(key.allowed_models),
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "created_by": key.created_by,
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
