"""`docs/api/auth.md`: every call of the native API as it was made, and who may make it."""

from collections.abc import Iterator, Sequence

from tests.api.recorder import Shown, Standard

from headrace_auth.domain.principal import Role
from headrace_auth.domain.rights import RULES, Action, Reach
from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts.tables import TABLES

HEAD = """# The native API: accounts and administration

Written by `make docs` from a run against the real services; `make test` compares it. Tokens are
shortened, ids are examples. An error looks as [the gateway's README](../../services/gateway) says.

Send bodies with `Content-Type: application/json`. curl's `-d` alone says that they are a form,
which login takes as well: `username` and `password`, for tools with an OAuth2 password form.

At the end stand the endpoints that standards define: keys, metadata, what third-party applications
call, and the way to an identity provider and back
([ADR 19](../adr/0019-logins-through-providers-end-at-the-front-end.md)).

With each call stands who may make it, as the table in
`services/auth/src/headrace_auth/domain/rights.py` has it: *own* reaches what is one's own,
*organization* everything of the organisation, *platform* every organisation.
"""
TITLES = {
    "auth": "Accounts and sessions",
    "keys": "API keys",
    "oauth-clients": "Applications",
    "signing-keys": "Signing keys",
}


def document(shown: Sequence[Shown], standard: Sequence[Standard]) -> str:
    """The whole file."""
    return "\n".join((HEAD, *_areas(shown), *_standards(standard))).rstrip() + "\n"


def who_may(route: AccountRoute) -> str:
    """In words, for example `owner, admin: organization; member: own`."""
    if route.open:
        return "anybody"
    rule = RULES[Action(route.call.partition("/")[2])]
    by_reach: dict[Reach, list[str]] = {}
    for role in Role:
        if (reach := rule.reach(role)) is not None:
            by_reach.setdefault(reach, []).append(role.value)
    told = "; ".join(f"{', '.join(roles)}: {reach}" for reach, roles in by_reach.items())
    return told + (" (only after logging in here)" if rule.personal else "")


def _areas(shown: Sequence[Shown]) -> Iterator[str]:
    for tag, routes in TABLES.items():
        yield f"## {TITLES.get(tag, tag.capitalize())}\n"
        for route in routes:
            first = next(each for each in shown if each.route is route)
            yield f"### {route.summary}\n\n`{route.method} {route.path}` · {who_may(route)}\n"
            yield f"```http\n{first.request}\n```\n\n```http\n{first.answer}\n```\n"


def _standards(standard: Sequence[Standard]) -> Iterator[str]:
    yield "## What standards define\n"
    for each in standard:
        yield f"### {each.summary}\n"
        yield f"```http\n{each.request}\n```\n\n```http\n{each.answer}\n```\n"
