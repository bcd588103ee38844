"""One act at a time changes an organisation's members, teams, invitations, limits or prices."""

from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import invalid_field, permission_denied
from headrace_auth.use_cases.acts import Act


async def lock_directory(act: Act, organization_id: str) -> None:
    """Wait until no other act holds the organisation's directory; this one does until it ends.

    For acts that are not the caller's by its role, such as accepting an invitation.
    """
    await act.alone(f"directory of {organization_id}")


async def lock_directory_in_role(act: Act, organization_id: str) -> None:
    """As `lock_directory`, for what the caller's role allows.

    Raises PERMISSION_DENIED if that role has changed since it was looked up: two owners who remove
    each other at the same moment must not both succeed.
    """
    await lock_directory(act, organization_id)
    member = act.caller.identified().member
    membership = await act.of(Membership).get(member.user_id, member.organization_id)
    user = await act.of(User).get(member.user_id)
    active = user is not None and user.disabled_at is None
    if not active or membership is None or membership.role is not member.role:
        raise permission_denied("Your role has changed meanwhile.")


async def keep_an_owner(act: Act, organization_id: str, user_id: str, param: str) -> None:
    """Raise INVALID_FIELD unless somebody else is an owner there who can log in."""
    for owner in await act.of(Membership).find(organization_id=organization_id, role=Role.OWNER):
        user = await act.of(User).get(owner.user_id)
        if owner.user_id != user_id and user is not None and user.disabled_at is None:
            return
    raise invalid_field(param, "the organization would be left without an owner")
