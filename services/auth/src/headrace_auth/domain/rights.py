"""The two tables that decide what a role may do; what is not in them is denied."""

from enum import StrEnum
from types import MappingProxyType

from headrace_auth.domain.principal import CredentialKind, Principal, Role, Scope
from headrace_auth.domain.refusals import permission_denied

SCOPES_OF_ROLE = MappingProxyType(
    {
        Role.OWNER: frozenset(Scope),
        Role.ADMIN: frozenset(Scope),
        Role.MEMBER: frozenset(Scope),
        Role.AUDITOR: frozenset({Scope.MODELS_READ, Scope.KEYS_READ}),
        Role.SERVICE: frozenset({Scope.LLM_INVOKE, Scope.MODELS_READ}),
    }
)
"""The most that a credential of this role can be used for."""

DEFAULT_KEY_SCOPES = frozenset({Scope.LLM_INVOKE, Scope.MODELS_READ})
"""What an API key gets when its maker names no scopes."""


class Action(StrEnum):
    """What somebody may want to do to API keys."""

    CREATE_API_KEY = "create_api_key"
    LIST_API_KEYS = "list_api_keys"
    REVOKE_API_KEY = "revoke_api_key"


class Reach(StrEnum):
    """Whose things an action touches."""

    OWN = "own"
    ORGANIZATION = "organization"


SCOPE_OF_ACTION = MappingProxyType(
    {
        Action.CREATE_API_KEY: Scope.KEYS_WRITE,
        Action.LIST_API_KEYS: Scope.KEYS_READ,
        Action.REVOKE_API_KEY: Scope.KEYS_WRITE,
    }
)

REACH = MappingProxyType(
    {
        (Role.OWNER, Action.CREATE_API_KEY): Reach.OWN,
        (Role.OWNER, Action.LIST_API_KEYS): Reach.ORGANIZATION,
        (Role.OWNER, Action.REVOKE_API_KEY): Reach.ORGANIZATION,
        (Role.ADMIN, Action.CREATE_API_KEY): Reach.OWN,
        (Role.ADMIN, Action.LIST_API_KEYS): Reach.ORGANIZATION,
        (Role.ADMIN, Action.REVOKE_API_KEY): Reach.ORGANIZATION,
        (Role.MEMBER, Action.CREATE_API_KEY): Reach.OWN,
        (Role.MEMBER, Action.LIST_API_KEYS): Reach.OWN,
        (Role.MEMBER, Action.REVOKE_API_KEY): Reach.OWN,
        (Role.AUDITOR, Action.LIST_API_KEYS): Reach.ORGANIZATION,
    }
)

PERSONAL_ACTIONS = frozenset({Action.CREATE_API_KEY})
"""Only for people: a key that makes keys would outlive its own expiry, limits and models."""


def authorize(principal: Principal, action: Action) -> Reach:
    """How far `principal` may go with `action`; raises PERMISSION_DENIED if not at all."""
    reach = REACH.get((principal.member.role, action))
    if reach is None or SCOPE_OF_ACTION[action] not in principal.scopes:
        raise permission_denied(f"this credential may not {action.replace('_', ' ')}s")
    if action in PERSONAL_ACTIONS and principal.credential_kind is CredentialKind.API_KEY:
        raise permission_denied("an API key cannot create API keys; log in")
    return reach


def effective_scopes(granted: frozenset[Scope], role: Role) -> frozenset[Scope]:
    """What a credential may do now: a role that shrank since the grant shrinks it too."""
    return granted & SCOPES_OF_ROLE[role]
