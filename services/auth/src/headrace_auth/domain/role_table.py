"""The table of rights by role, as data to be shown: straight from what `rights` decides with."""

from dataclasses import dataclass

from headrace_auth.domain.principal import Role, Scope
from headrace_auth.domain.rights import RULES, SCOPES_OF_ROLE, Action, Reach, may_grant


@dataclass(frozen=True, slots=True)
class Permission:
    """A cell of the table: the scope that the action needs, and how far it may go."""

    action: Action
    scope: Scope
    reach: Reach
    personal: bool


@dataclass(frozen=True, slots=True)
class RoleRights:
    """All that a role may do; what is not here is denied."""

    role: Role
    scopes: tuple[Scope, ...]
    grantable_roles: tuple[Role, ...]
    permissions: tuple[Permission, ...]


def describe_roles() -> tuple[RoleRights, ...]:
    """One per role, in the order of `Role`."""
    return tuple(
        RoleRights(
            role,
            scopes=tuple(sorted(SCOPES_OF_ROLE[role])),
            grantable_roles=tuple(each for each in Role if may_grant(role, each)),
            permissions=_permissions(role),
        )
        for role in Role
    )


def _permissions(role: Role) -> tuple[Permission, ...]:
    return tuple(
        Permission(action, rule.scope, reach, rule.personal)
        for action, rule in RULES.items()
        if (reach := rule.reach(role)) is not None
    )
