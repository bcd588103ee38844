"""`/api/v1/auth`: logging in, going on, logging out."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from headrace_gateway.domain.exchange import Activity
from headrace_gateway.http.account_routes import AccountRoute, as_it_is, records
from headrace_gateway.http.accounts.fields import (
    Email,
    Identifier,
    LoginName,
    OptionalCode,
    OptionalName,
    OptionalPassword,
    Password,
    Token,
)
from headrace_gateway.http.bodies import Body, Form


class Proof(Body):
    """Proves again who asks; people whose accounts have no password send none."""

    password: OptionalPassword = ""
    code: OptionalCode = ""


class LoginBody(Body):
    """`POST /api/v1/auth/login`."""

    email: LoginName
    password: Password
    code: OptionalCode = ""
    organization_id: Identifier | None = None


class LoginForm(Form):
    """The same as an OAuth2 password form (RFC 6749, section 4.3.2), for tools that want one."""

    username: LoginName
    password: Password
    code: OptionalCode = ""
    organization_id: Identifier | None = None
    grant_type: Annotated[str, StringConstraints(pattern="^password$")] = "password"
    scope: str = ""

    def fields(self) -> dict[str, Any]:
        """As the call names them."""
        return {
            "email": self.username,
            "password": self.password,
            "code": self.code,
            "organization_id": self.organization_id,
        }


class RefreshBody(Body):
    """`POST /api/v1/auth/refresh`."""

    refresh_token: Token


class SwitchBody(Body):
    """`POST /api/v1/auth/switch`."""

    organization_id: Identifier


class BootstrapBody(Body):
    """`POST /api/v1/auth/bootstrap`."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    email: Email
    password: Password
    organization_name: OptionalName = ""


def tokens(fields: Mapping[str, Any]) -> Any:
    """A token response (RFC 6749, section 5.1)."""
    return as_it_is(fields["tokens"])


ROUTES = (
    AccountRoute(
        "POST",
        "/api/v1/auth/login",
        "SessionService/Login",
        "Exchange e-mail and password for tokens",
        tokens,
        activity=Activity.LOGIN,
        body=LoginBody,
        form=LoginForm,
        open=True,
    ),
    AccountRoute(
        "POST",
        "/api/v1/auth/refresh",
        "SessionService/Refresh",
        "Exchange a refresh token for new tokens; it works once",
        tokens,
        activity=Activity.SESSION,
        body=RefreshBody,
        open=True,
    ),
    AccountRoute(
        "POST",
        "/api/v1/auth/switch",
        "SessionService/SwitchOrganization",
        "Get tokens for another organization that you are in",
        tokens,
        activity=Activity.SESSION,
        body=SwitchBody,
    ),
    AccountRoute(
        "GET",
        "/api/v1/auth/me",
        "SessionService/GetMe",
        "See who you are",
        as_it_is,
        Activity.SESSION,
    ),
    AccountRoute(
        "GET",
        "/api/v1/auth/sessions",
        "SessionService/ListSessions",
        "List your sessions, newest first",
        records("session"),
        activity=Activity.SESSION,
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/auth/sessions/{session_id}",
        "SessionService/EndSession",
        "End one of your sessions",
        as_it_is,
        activity=Activity.SESSION,
        resource="session",
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/auth/sessions",
        "SessionService/EndAllSessions",
        "Log out everywhere",
        as_it_is,
        activity=Activity.SESSION,
    ),
    AccountRoute(
        "POST",
        "/api/v1/auth/logout",
        "SessionService/EndSession",
        "Log out of this session",
        as_it_is,
        activity=Activity.SESSION,
    ),
    AccountRoute(
        "POST",
        "/api/v1/auth/bootstrap",
        "SessionService/Bootstrap",
        "Make the first owner of an empty installation",
        as_it_is,
        body=BootstrapBody,
        status=201,
        open=True,
    ),
)
