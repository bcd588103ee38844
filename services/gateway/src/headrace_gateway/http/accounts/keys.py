"""`/api/v1/keys`: the credentials of programs."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from headrace_gateway.domain.exchange import Act
from headrace_gateway.http.account_routes import AccountRoute, record, records
from headrace_gateway.http.accounts.paging import Page
from headrace_gateway.http.bodies import Body

MAXIMUM_AMOUNT = 10**12
"""Of any rate, per minute; as in `auth`."""


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


ROUTES = (
    AccountRoute(
        "POST",
        "/api/v1/keys",
        "ApiKeyService/CreateApiKey",
        "Make an API key; its secret is in this answer only",
        record("api_key"),
        act=Act.API_KEY_CREATE,
        body=NewApiKeyBody,
        status=201,
        resource="api_key",
    ),
    AccountRoute(
        "GET",
        "/api/v1/keys",
        "ApiKeyService/ListApiKeys",
        "List the organisation's API keys, newest first",
        records("api_key"),
        act=Act.API_KEY_LIST,
        query=Page,
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/keys/{api_key_id}",
        "ApiKeyService/RevokeApiKey",
        "Revoke an API key for good",
        record("api_key"),
        act=Act.API_KEY_REVOKE,
        resource="api_key",
    ),
)
