"""`/api/v1/keys`: the credentials of programs."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from headrace_gateway.domain.exchange import Activity
from headrace_gateway.http.account_routes import AccountRoute, record, records
from headrace_gateway.http.accounts.fields import (
    Amount,
    BudgetAmount,
    Currency,
    Moment,
    Name,
    Scopes,
    TimeZone,
)
from headrace_gateway.http.accounts.paging import Page
from headrace_gateway.http.bodies import Body

Models = Annotated[list[str], Field(max_length=100)]
Networks = Annotated[
    list[Annotated[str, StringConstraints(max_length=50)]],
    Field(max_length=50, examples=[["10.0.0.0/8", "2001:db8::/32"]]),
]


class BudgetBody(Body):
    """What a key may spend per period, in millionths of the currency's unit."""

    amount_micros: BudgetAmount
    currency: Currency
    period: Annotated[str, StringConstraints(pattern="^(day|week|month)$")]
    time_zone: TimeZone


class NewApiKeyBody(Body):
    """`POST /api/v1/keys`."""

    name: Name
    scopes: Scopes = Field(default_factory=list)
    allowed_models: Models = Field(default_factory=list)
    allowed_networks: Networks = Field(default_factory=list)
    expires_at: Moment | None = None
    requests_per_minute: Amount | None = None
    tokens_per_minute: Amount | None = None
    concurrent_requests: Amount | None = None
    budget: BudgetBody | None = None
    user_id: Annotated[str, StringConstraints(max_length=36)] = ""
    """A service account that it acts as, for owners and admins."""


class NewSigningCredentialBody(NewApiKeyBody):
    """`POST /api/v1/keys/signing`: a key whose holder signs requests (RFC 9421)."""

    signature_algorithm: Annotated[
        str, StringConstraints(pattern="^(ed25519|ecdsa-p256-sha256|hmac-sha256)$")
    ]
    public_key: Annotated[str, StringConstraints(max_length=2048)] = ""
    """PEM or JWK; empty for `hmac-sha256`."""


class ApiKeyChangeBody(Body):
    """`PATCH /api/v1/keys/{api_key_id}`: what is absent stays, null lifts what can be lifted."""

    name: Name = ""
    scopes: Scopes = Field(default_factory=list)
    allowed_models: Models | None = None
    allowed_networks: Networks | None = None
    expires_at: Moment | None = None
    requests_per_minute: Amount | None = None
    tokens_per_minute: Amount | None = None
    concurrent_requests: Amount | None = None
    budget: BudgetBody | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "ApiKeyChangeBody":
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self

    def fields(self) -> dict[str, Any]:
        named = self.model_dump(exclude_unset=True)
        return {**named, "update_mask": {"paths": sorted(named)}}


class RotationBody(Body):
    """`POST /api/v1/keys/{api_key_id}/rotate`."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=604_800)
    """How long the present secret works on."""


ROUTES = (
    AccountRoute(
        "POST",
        "/api/v1/keys",
        "ApiKeyService/CreateApiKey",
        "Make an API key; its secret is in this answer only",
        record("api_key"),
        activity=Activity.API_KEY_CREATE,
        body=NewApiKeyBody,
        status=201,
        resource="api_key",
    ),
    AccountRoute(
        "POST",
        "/api/v1/keys/signing",
        "ApiKeyService/CreateSigningCredential",
        "Make a key whose holder signs requests (RFC 9421) instead of showing it",
        record("api_key"),
        activity=Activity.API_KEY_CREATE,
        body=NewSigningCredentialBody,
        status=201,
        resource="api_key",
    ),
    AccountRoute(
        "GET",
        "/api/v1/keys",
        "ApiKeyService/ListApiKeys",
        "List the organization's API keys, newest first",
        records("api_key"),
        activity=Activity.API_KEY_LIST,
        query=Page,
    ),
    AccountRoute(
        "GET",
        "/api/v1/keys/{api_key_id}",
        "ApiKeyService/GetApiKey",
        "Show one API key",
        record("api_key"),
        activity=Activity.API_KEY_LIST,
        resource="api_key",
    ),
    AccountRoute(
        "PATCH",
        "/api/v1/keys/{api_key_id}",
        "ApiKeyService/UpdateApiKey",
        "Change what an API key may do",
        record("api_key"),
        body=ApiKeyChangeBody,
        resource="api_key",
    ),
    AccountRoute(
        "POST",
        "/api/v1/keys/{api_key_id}/rotate",
        "ApiKeyService/RotateApiKey",
        "Give an API key a new secret, which is in this answer only",
        record("api_key"),
        body=RotationBody,
        resource="api_key",
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/keys/{api_key_id}",
        "ApiKeyService/RevokeApiKey",
        "Revoke an API key for good",
        record("api_key"),
        activity=Activity.API_KEY_REVOKE,
        resource="api_key",
    ),
)
