"""`/api/v1/auth`: logging in and one's own account."""

from typing import Annotated

from pydantic import StringConstraints

from headrace_gateway.domain.exchange import Act
from headrace_gateway.http.account_routes import AccountRoute, as_it_is
from headrace_gateway.http.bodies import Body


class LoginBody(Body):
    """`POST /api/v1/auth/login`."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


ROUTES = (
    AccountRoute(
        "POST",
        "/api/v1/auth/login",
        "SessionService/Login",
        "Exchange e-mail and password for an access token",
        as_it_is,
        act=Act.LOGIN,
        body=LoginBody,
        open=True,
    ),
)
