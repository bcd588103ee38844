"""`/api/v1/auth`: the end of a login through an identity provider, and linked identities."""

from collections.abc import Mapping
from typing import Any

from headrace_gateway.domain.exchange import Activity
from headrace_gateway.http.account_routes import AccountRoute, as_it_is
from headrace_gateway.http.accounts.fields import (
    FrontEndUri,
    Identifier,
    OptionalCode,
    ProofKey,
    Subject,
    Token,
)
from headrace_gateway.http.accounts.sessions import Proof, tokens
from headrace_gateway.http.bodies import Body


class ExchangeBody(Body):
    """`POST /api/v1/auth/exchange`."""

    code: Token
    code_verifier: ProofKey
    organization_id: Identifier | None = None
    second_factor_code: OptionalCode = ""


class LinkBody(Proof):
    """`POST /api/v1/auth/identities/{provider}`."""

    redirect_uri: FrontEndUri
    code_challenge: ProofKey


class UnlinkBody(Proof):
    """`POST /api/v1/auth/identities/{provider}/unlink`."""

    subject: Subject


def tokens_or_identity(fields: Mapping[str, Any]) -> Any:
    """A token response, or what was linked: `{"identity": {...}}`."""
    if fields["identity"] is None:
        return tokens(fields)
    return as_it_is({"identity": fields["identity"]})


def identities(fields: Mapping[str, Any]) -> Any:
    """A list that is never long enough for pages."""
    return {"data": as_it_is(fields)["identities"], "next_page_token": None}


ROUTES = (
    AccountRoute(
        "POST",
        "/api/v1/auth/exchange",
        "FederationService/ExchangeLoginCode",
        "Exchange a login code for tokens, or finish linking an identity",
        tokens_or_identity,
        activity=Activity.LOGIN,
        body=ExchangeBody,
        open=True,
    ),
    AccountRoute(
        "POST",
        "/api/v1/auth/identities/{provider}",
        "FederationService/LinkIdentity",
        "Begin to link an identity; the answer says where to go",
        as_it_is,
        activity=Activity.SESSION,
        body=LinkBody,
    ),
    AccountRoute(
        "GET",
        "/api/v1/auth/identities",
        "FederationService/ListIdentities",
        "List the identities that log in as you, oldest first",
        identities,
        activity=Activity.SESSION,
    ),
    AccountRoute(
        # No DELETE: the proof is in the body, which that has none (RFC 9110, section 9.3.5).
        "POST",
        "/api/v1/auth/identities/{provider}/unlink",
        "FederationService/UnlinkIdentity",
        "Unlink an identity, unless it is the only way into your account",
        as_it_is,
        activity=Activity.SESSION,
        body=UnlinkBody,
    ),
)
