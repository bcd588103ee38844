"""The table that decides what a role may do; what is not in it is denied."""

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from headrace_auth.domain.principal import CredentialKind, Principal, Role, Scope
from headrace_auth.domain.refusals import permission_denied
from headrace_common.errors import HeadraceError

DEFAULT_KEY_SCOPES = frozenset({Scope.LLM_INVOKE, Scope.MODELS_READ})
"""What an API key gets when its maker names no scopes."""

READING = frozenset(
    {
        Scope.MODELS_READ,
        Scope.KEYS_READ,
        Scope.ACCOUNT_READ,
        Scope.ORGANIZATION_READ,
        Scope.LIMITS_READ,
        Scope.CLIENTS_READ,
    }
)
SCOPES_OF_ROLE = MappingProxyType(
    {
        Role.OWNER: frozenset(Scope),
        Role.ADMIN: frozenset(Scope) - {Scope.PLATFORM_WRITE},
        Role.MEMBER: frozenset(
            {
                Scope.LLM_INVOKE,
                Scope.MODELS_READ,
                Scope.KEYS_READ,
                Scope.KEYS_WRITE,
                Scope.ACCOUNT_READ,
                Scope.ACCOUNT_WRITE,
                Scope.ORGANIZATION_READ,
                Scope.LIMITS_READ,
            }
        ),
        Role.AUDITOR: READING | {Scope.ACCOUNT_WRITE},
        Role.SERVICE: frozenset({Scope.LLM_INVOKE, Scope.MODELS_READ}),
    }
)
"""The most that a credential of this role can be used for."""

GRANTABLE_ROLES = MappingProxyType(
    {
        Role.OWNER: frozenset(Role),
        Role.ADMIN: frozenset({Role.ADMIN, Role.MEMBER, Role.AUDITOR, Role.SERVICE}),
    }
)
"""Which roles somebody may give, take away or act on: none above one's own."""


class Reach(StrEnum):
    """Whose things an action touches."""

    OWN = "own"
    ORGANIZATION = "organization"
    PLATFORM = "platform"
    """Of any organisation; only for the organisation that runs this installation."""


class Action(StrEnum):
    """What somebody may want to do: a call of a service in `protos/headrace/auth/v1`.

    Those that are no call's name are the part of one that needs more than the call itself.
    """

    CREATE_API_KEY = "CreateApiKey"
    CREATE_SIGNING_CREDENTIAL = "CreateSigningCredential"
    LIST_API_KEYS = "ListApiKeys"
    GET_API_KEY = "GetApiKey"
    UPDATE_API_KEY = "UpdateApiKey"
    ROTATE_API_KEY = "RotateApiKey"
    REVOKE_API_KEY = "RevokeApiKey"

    GET_ME = "GetMe"
    SWITCH_ORGANIZATION = "SwitchOrganization"
    LIST_SESSIONS = "ListSessions"
    END_SESSION = "EndSession"
    END_ALL_SESSIONS = "EndAllSessions"
    CHANGE_PASSWORD = "ChangePassword"  # noqa: S105 - not a password
    START_SECOND_FACTOR = "StartSecondFactor"
    CONFIRM_SECOND_FACTOR = "ConfirmSecondFactor"
    REMOVE_SECOND_FACTOR = "RemoveSecondFactor"
    NEW_RECOVERY_CODES = "NewRecoveryCodes"
    ACCEPT_INVITATION = "AcceptInvitation"
    LIST_IDENTITIES = "ListIdentities"
    LINK_IDENTITY = "LinkIdentity"
    UNLINK_IDENTITY = "UnlinkIdentity"

    CREATE_ORGANIZATION = "CreateOrganization"
    LIST_ORGANIZATIONS = "ListOrganizations"
    LIST_ALL_ORGANIZATIONS = "ListAllOrganizations"
    GET_ORGANIZATION = "GetOrganization"
    UPDATE_ORGANIZATION = "UpdateOrganization"
    CREATE_TEAM = "CreateTeam"
    LIST_TEAMS = "ListTeams"
    UPDATE_TEAM = "UpdateTeam"
    DELETE_TEAM = "DeleteTeam"
    LIST_USERS = "ListUsers"
    GET_USER = "GetUser"
    UPDATE_USER = "UpdateUser"
    REMOVE_USER = "RemoveUser"
    END_USER_SESSIONS = "EndUserSessions"
    DISABLE_USER = "DisableUser"
    ENABLE_USER = "EnableUser"
    CREATE_SERVICE_ACCOUNT = "CreateServiceAccount"
    INVITE_USER = "InviteUser"
    LIST_INVITATIONS = "ListInvitations"
    REVOKE_INVITATION = "RevokeInvitation"
    LIST_ROLES = "ListRoles"

    LIST_LIMITS = "ListLimits"
    SET_LIMIT = "SetLimit"
    REMOVE_LIMIT = "RemoveLimit"
    LIST_BUDGETS = "ListBudgets"
    SET_BUDGET = "SetBudget"
    REMOVE_BUDGET = "RemoveBudget"
    SET_ORGANIZATION_LIMIT = "SetOrganizationLimit"
    SET_ORGANIZATION_BUDGET = "SetOrganizationBudget"
    GET_PRICE_TABLE = "GetPriceTable"
    SET_PRICE_TABLE = "SetPriceTable"
    SET_TIER = "SetTier"

    CREATE_CLIENT = "CreateClient"
    LIST_CLIENTS = "ListClients"
    ROTATE_CLIENT_SECRET = "RotateClientSecret"  # noqa: S105 - not a password
    REVOKE_CLIENT = "RevokeClient"

    LIST_SIGNING_KEYS = "ListSigningKeys"
    ROTATE_SIGNING_KEYS = "RotateSigningKeys"

    @property
    def in_words(self) -> str:
        """What follows "may not", for example `list sessions` or `create an API key`."""
        if self in WORDS:
            return WORDS[self]
        verb, _, what = re.sub(r"\B([A-Z])", r" \1", self.value).lower().partition(" ")
        what = what.replace("api ", "API ")
        if what.endswith("s"):
            return f"{verb} {what}"
        return f"{verb} {'an' if what[0] in 'Aeio' else 'a'} {what}"


WORDS = MappingProxyType(
    {
        Action.GET_ME: "see who it acts as",
        Action.SWITCH_ORGANIZATION: "act in another organization",
        Action.CHANGE_PASSWORD: "change the password",
        Action.START_SECOND_FACTOR: "set up a second factor",
        Action.NEW_RECOVERY_CODES: "get new recovery codes",
        Action.END_USER_SESSIONS: "end a user's sessions",
    }
)
"""Of actions whose names do not read as words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: the scope that an action needs, and how far each role may go."""

    scope: Scope
    owner: Reach | None = None
    admin: Reach | None = None
    member: Reach | None = None
    auditor: Reach | None = None
    service: Reach | None = None
    personal: bool = False
    """Only for people who logged in here: not with a key, and not through another application."""

    def reach(self, role: Role) -> Reach | None:
        found: Reach | None = getattr(self, role.value)
        return found


OWN, ORGANIZATION, PLATFORM = Reach.OWN, Reach.ORGANIZATION, Reach.PLATFORM


def _own_account(scope: Scope) -> Rule:
    return Rule(scope, OWN, OWN, OWN, OWN, personal=True)


RULES = MappingProxyType(
    {
        # A key that makes keys would outlive its own expiry, limits and models.
        Action.CREATE_API_KEY: Rule(
            Scope.KEYS_WRITE, ORGANIZATION, ORGANIZATION, OWN, personal=True
        ),
        Action.CREATE_SIGNING_CREDENTIAL: Rule(
            Scope.KEYS_WRITE, ORGANIZATION, ORGANIZATION, OWN, personal=True
        ),
        Action.LIST_API_KEYS: Rule(Scope.KEYS_READ, ORGANIZATION, ORGANIZATION, OWN, ORGANIZATION),
        Action.GET_API_KEY: Rule(Scope.KEYS_READ, ORGANIZATION, ORGANIZATION, OWN, ORGANIZATION),
        Action.UPDATE_API_KEY: Rule(
            Scope.KEYS_WRITE, ORGANIZATION, ORGANIZATION, OWN, personal=True
        ),
        Action.ROTATE_API_KEY: Rule(Scope.KEYS_WRITE, ORGANIZATION, ORGANIZATION, OWN),
        Action.REVOKE_API_KEY: Rule(Scope.KEYS_WRITE, ORGANIZATION, ORGANIZATION, OWN),
        Action.GET_ME: Rule(Scope.ACCOUNT_READ, OWN, OWN, OWN, OWN),
        Action.SWITCH_ORGANIZATION: _own_account(Scope.ACCOUNT_WRITE),
        Action.LIST_SESSIONS: _own_account(Scope.ACCOUNT_READ),
        Action.END_SESSION: _own_account(Scope.ACCOUNT_WRITE),
        Action.END_ALL_SESSIONS: _own_account(Scope.ACCOUNT_WRITE),
        Action.CHANGE_PASSWORD: _own_account(Scope.ACCOUNT_WRITE),
        Action.START_SECOND_FACTOR: _own_account(Scope.ACCOUNT_WRITE),
        Action.CONFIRM_SECOND_FACTOR: _own_account(Scope.ACCOUNT_WRITE),
        Action.REMOVE_SECOND_FACTOR: _own_account(Scope.ACCOUNT_WRITE),
        Action.NEW_RECOVERY_CODES: _own_account(Scope.ACCOUNT_WRITE),
        Action.ACCEPT_INVITATION: _own_account(Scope.ACCOUNT_WRITE),
        Action.LIST_IDENTITIES: _own_account(Scope.ACCOUNT_READ),
        Action.LINK_IDENTITY: _own_account(Scope.ACCOUNT_WRITE),
        Action.UNLINK_IDENTITY: _own_account(Scope.ACCOUNT_WRITE),
        Action.CREATE_ORGANIZATION: Rule(Scope.PLATFORM_WRITE, PLATFORM, personal=True),
        Action.LIST_ORGANIZATIONS: Rule(Scope.ACCOUNT_READ, OWN, OWN, OWN, OWN),
        Action.LIST_ALL_ORGANIZATIONS: Rule(Scope.PLATFORM_WRITE, PLATFORM),
        Action.GET_ORGANIZATION: Rule(
            Scope.ORGANIZATION_READ, ORGANIZATION, ORGANIZATION, ORGANIZATION, ORGANIZATION
        ),
        Action.UPDATE_ORGANIZATION: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION),
        Action.CREATE_TEAM: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.LIST_TEAMS: Rule(
            Scope.ORGANIZATION_READ, ORGANIZATION, ORGANIZATION, ORGANIZATION, ORGANIZATION
        ),
        Action.UPDATE_TEAM: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.DELETE_TEAM: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.LIST_USERS: Rule(
            Scope.ORGANIZATION_READ, ORGANIZATION, ORGANIZATION, OWN, ORGANIZATION
        ),
        Action.GET_USER: Rule(
            Scope.ORGANIZATION_READ, ORGANIZATION, ORGANIZATION, OWN, ORGANIZATION
        ),
        Action.UPDATE_USER: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.REMOVE_USER: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.END_USER_SESSIONS: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.DISABLE_USER: Rule(Scope.PLATFORM_WRITE, PLATFORM, personal=True),
        Action.ENABLE_USER: Rule(Scope.PLATFORM_WRITE, PLATFORM, personal=True),
        Action.CREATE_SERVICE_ACCOUNT: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.INVITE_USER: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.LIST_INVITATIONS: Rule(
            Scope.ORGANIZATION_READ, ORGANIZATION, ORGANIZATION, None, ORGANIZATION
        ),
        Action.REVOKE_INVITATION: Rule(Scope.ORGANIZATION_WRITE, ORGANIZATION, ORGANIZATION),
        Action.LIST_ROLES: Rule(
            Scope.ORGANIZATION_READ, ORGANIZATION, ORGANIZATION, ORGANIZATION, ORGANIZATION
        ),
        Action.LIST_LIMITS: Rule(Scope.LIMITS_READ, ORGANIZATION, ORGANIZATION, OWN, ORGANIZATION),
        Action.SET_LIMIT: Rule(Scope.LIMITS_WRITE, ORGANIZATION, ORGANIZATION),
        Action.REMOVE_LIMIT: Rule(Scope.LIMITS_WRITE, ORGANIZATION, ORGANIZATION),
        Action.LIST_BUDGETS: Rule(Scope.LIMITS_READ, ORGANIZATION, ORGANIZATION, OWN, ORGANIZATION),
        Action.SET_BUDGET: Rule(Scope.LIMITS_WRITE, ORGANIZATION, ORGANIZATION),
        Action.REMOVE_BUDGET: Rule(Scope.LIMITS_WRITE, ORGANIZATION, ORGANIZATION),
        # What an organisation may use is not its own to say.
        Action.SET_ORGANIZATION_LIMIT: Rule(Scope.PLATFORM_WRITE, PLATFORM),
        Action.SET_ORGANIZATION_BUDGET: Rule(Scope.PLATFORM_WRITE, PLATFORM),
        Action.GET_PRICE_TABLE: Rule(Scope.LIMITS_READ, PLATFORM, PLATFORM, PLATFORM, PLATFORM),
        Action.SET_PRICE_TABLE: Rule(Scope.PLATFORM_WRITE, PLATFORM),
        Action.SET_TIER: Rule(Scope.PLATFORM_WRITE, PLATFORM),
        Action.CREATE_CLIENT: Rule(Scope.CLIENTS_WRITE, ORGANIZATION, ORGANIZATION, personal=True),
        Action.LIST_CLIENTS: Rule(
            Scope.CLIENTS_READ, ORGANIZATION, ORGANIZATION, None, ORGANIZATION
        ),
        Action.ROTATE_CLIENT_SECRET: Rule(
            Scope.CLIENTS_WRITE, ORGANIZATION, ORGANIZATION, personal=True
        ),
        Action.REVOKE_CLIENT: Rule(Scope.CLIENTS_WRITE, ORGANIZATION, ORGANIZATION),
        Action.LIST_SIGNING_KEYS: Rule(Scope.PLATFORM_WRITE, PLATFORM),
        Action.ROTATE_SIGNING_KEYS: Rule(Scope.PLATFORM_WRITE, PLATFORM, personal=True),
    }
)
"""Columns: owner, admin, member, auditor."""

OPEN_TO_ALL_ORGANIZATIONS = frozenset({Action.GET_PRICE_TABLE})
"""Actions on the platform's things that need no membership in the platform's organisation."""


def authorize(principal: Principal, action: Action) -> Reach:
    """How far `principal` may go with `action`; raises PERMISSION_DENIED if not at all."""
    rule, member = RULES[action], principal.member
    reach = rule.reach(member.role)
    outside = not member.in_platform and action not in OPEN_TO_ALL_ORGANIZATIONS
    if reach is Reach.PLATFORM and outside:
        reach = None
    if reach is not None and rule.personal and not is_own_login(principal):
        raise permission_denied(
            f"To {action.in_words}, log in and use that access token: "
            "neither API keys nor other applications can."
        )
    if reach is None or rule.scope not in principal.scopes:
        raise permission_denied(f"This credential may not {action.in_words}.")
    return reach


def is_own_login(principal: Principal) -> bool:
    """Whether it is a person who logged in here: no key, and no other application."""
    return principal.credential_kind is CredentialKind.ACCESS_TOKEN and not principal.client_id


def allows(principal: Principal, action: Action) -> bool:
    """Whether `authorize` lets it; for what must then be no such thing rather than forbidden."""
    try:
        authorize(principal, action)
    except HeadraceError:
        return False
    return True


def check_grant(granter: Principal, role: Role) -> None:
    """Raise PERMISSION_DENIED unless `granter` may take away or act on this role."""
    if not may_grant(granter.member.role, role):
        raise permission_denied(f"role: yours may not deal with the role {role}.")


def check_gift(granter: Principal, role: Role) -> None:
    """Raise PERMISSION_DENIED unless `granter` may give this role.

    Its credential needs all that the role can be used for, too: else a key that may only invite
    could invite an owner.
    """
    check_grant(granter, role)
    lacking = ", ".join(sorted(SCOPES_OF_ROLE[role] - granter.scopes))
    if lacking:
        raise permission_denied(f"role: to give {role} this credential lacks {lacking}.")


def may_grant(own: Role, role: Role) -> bool:
    """Whether who has the role `own` may give, take away or act on `role`."""
    return role in GRANTABLE_ROLES.get(own, frozenset())


def effective_scopes(granted: frozenset[Scope], role: Role) -> frozenset[Scope]:
    """What a credential may do now: a role that shrank since the grant shrinks it too."""
    return granted & SCOPES_OF_ROLE[role]


def check_key_scopes(
    granter: Principal,
    role: Role,
    wanted: frozenset[Scope],
    had: frozenset[Scope] = frozenset(),
) -> None:
    """Raise PERMISSION_DENIED unless `granter` may let a key that acts in `role` have these scopes.

    What it can do must be a subset of what the granter can. Scopes that the role does not allow may
    stay if the key `had` them: they do nothing.
    """
    possible = effective_scopes(wanted, role)
    excess = (possible - granter.scopes) | (wanted - possible - had)
    if excess:
        names = ", ".join(sorted(excess))
        raise permission_denied(
            f"a key cannot have more rights than its maker or whom it acts as: {names}"
        )
