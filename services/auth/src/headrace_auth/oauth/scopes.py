"""The `scope` parameter (RFC 6749, section 3.3)."""

import re
from collections.abc import Iterable

from headrace_auth.domain.oauth_clients import OAuthClient, granted_scopes
from headrace_auth.domain.principal import Member, Scope
from headrace_auth.oauth.errors import invalid_scope

_NAME = r"[!#-\[\]-~]+"
_LIST = re.compile(rf"{_NAME}(?: {_NAME})*")


def parse_scope(text: str | None) -> frozenset[Scope] | None:
    """The named scopes, None if there is no parameter; raises OAuthError (INVALID_SCOPE)."""
    if text is None:
        return None
    if not _LIST.fullmatch(text):
        raise invalid_scope()
    try:
        return frozenset(Scope(name) for name in text.split(" "))
    except ValueError as error:
        raise invalid_scope() from error


def format_scope(scopes: Iterable[Scope]) -> str:
    """The scopes as one parameter, in the order of their names."""
    return " ".join(sorted(scopes))


def grant_scopes(
    requested: frozenset[Scope], client: OAuthClient, member: Member
) -> frozenset[Scope]:
    """What `granted_scopes` leaves; raises OAuthError (INVALID_SCOPE) if that is nothing."""
    scopes = granted_scopes(requested, client, member.role)
    if not scopes:
        raise invalid_scope()
    return scopes
