"""`/api/v1/oauth-clients`: the third-party applications of an organisation."""

from typing import Annotated

from pydantic import Field, StringConstraints

from headrace_gateway.http.account_routes import AccountRoute, record, records
from headrace_gateway.http.accounts.fields import Identifier, Name
from headrace_gateway.http.accounts.paging import Page
from headrace_gateway.http.bodies import Body

RedirectUri = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class NewOAuthClientBody(Body):
    """`POST /api/v1/oauth-clients`."""

    name: Name
    redirect_uris: Annotated[list[RedirectUri], Field(max_length=10)] = Field(default_factory=list)
    grant_types: Annotated[list[str], Field(min_length=1, max_length=10)]
    scopes: Annotated[list[str], Field(min_length=1, max_length=50)]
    public: bool = False
    service_user_id: Identifier | None = None


ROUTES = (
    AccountRoute(
        "POST",
        "/api/v1/oauth-clients",
        "OAuthClientService/CreateClient",
        "Register an application; `id` is its client_id, and its secret is in this answer only",
        record("client"),
        body=NewOAuthClientBody,
        status=201,
        resource="client",
    ),
    AccountRoute(
        "GET",
        "/api/v1/oauth-clients",
        "OAuthClientService/ListClients",
        "List the organization's applications, newest first",
        records("client"),
        query=Page,
    ),
    AccountRoute(
        "POST",
        "/api/v1/oauth-clients/{client_id}/rotate",
        "OAuthClientService/RotateClientSecret",
        "Replace an application's secret at once; the new one is in this answer only",
        record("client"),
        resource="client",
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/oauth-clients/{client_id}",
        "OAuthClientService/RevokeClient",
        "Revoke an application for good, with all of its tokens",
        record("client"),
        resource="client",
    ),
)
