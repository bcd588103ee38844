"""Taking charge of an organisation: who changes its members, teams or limits does so alone."""

from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import invalid_field, permission_denied
from headrace_auth.use_cases.acts import Act


async def take_charge(act: Act, organization_id: str) -> None:
    """Wait until nobody else is in charge there; until the act ends, nobody else will be.

    Raises PERMISSION_DENIED if the caller's role has changed since it was looked up: two owners who
    remove each other at the same moment must not both succeed.
    """
    await alone_in(act, organization_id)
    member = act.caller.identified().member
    membership = await act.of(Membership).get(member.user_id, member.organization_id)
    user = await act.of(User).get(member.user_id)
    active = user is not None and user.disabled_at is None
    if not active or membership is None or membership.role is not member.role:
        raise permission_denied("Your role has changed meanwhile.")


async def alone_in(act: Act, organization_id: str) -> None:
    """The same for acts that are not the caller's by its role, such as accepting an invitation."""
    await act.alone(f"directory of {organization_id}")


async def keep_an_owner(act: Act, organization_id: str, user_id: str, param: str) -> None:
    """Raise INVALID_FIELD unless somebody else is an owner there who can log in."""
    for owner in await act.of(Membership).find(organization_id=organization_id, role=Role.OWNER):
        user = await act.of(User).get(owner.user_id)
        if owner.user_id != user_id and user is not None and user.disabled_at is None:
            return
    raise invalid_field(param, "the organization would be left without an owner")
