"""Accounts whose address nobody has proven, and what is left of one when its reader comes."""

from dataclasses import replace

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.directory import (
    Invitation,
    LinkedIdentity,
    Membership,
    Organization,
    User,
)
from headrace_auth.domain.principal import Role
from headrace_auth.domain.sessions import SecondFactor
from headrace_auth.use_cases.accounts import mailed_tokens
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.directory_lock import lock_directory
from headrace_auth.use_cases.sessions.own_sessions import end_everything
from headrace_common.errors import credential_invalid


async def is_as_registered(act: Act, user_id: str) -> bool:
    """Whether the account has only what registering gave it; the act has locked the user.

    That is an organisation of its own, which nobody else is in or invited to: the reader of the
    address joins nobody without saying so. Nothing else can be there while nobody can log in; it
    is looked for all the same, because it would outlive the password.
    """
    joined = await act.of(Membership).find(user_id=user_id)
    if [each.role for each in joined] != [Role.OWNER]:
        return False
    here = joined[0].organization_id
    await lock_directory(act, here)
    return await _is_alone(act, here) and not await _has_ways_in(act, user_id)


async def take_over(act: Act, user: User, name: str) -> User:
    """Give the account to who has proven its address; the user as it is then.

    Nothing of who registered is good any more: no password, session, token from a mail, or name.
    """
    ended = await end_everything(act, user.user_id)
    if ended is None:
        raise credential_invalid()
    taken = replace(ended, name=name, password_hash=None, email_verified_at=act.now)
    await act.change(ended, taken, "take_over", user_id=user.user_id)
    await mailed_tokens.void_all(act, user.user_id)
    return taken


async def _is_alone(act: Act, organization_id: str) -> bool:
    """Whether the one member that is known is the only one, and nobody was asked to join."""
    organization = await act.of(Organization).get(organization_id)
    if organization is None or organization.platform:
        return False
    if len(await act.of(Membership).by_key(None, 2, organization_id=organization_id)) != 1:
        return False
    sent = await act.of(Invitation).find(organization_id=organization_id)
    return not any(each.is_open(act.now) for each in sent)


async def _has_ways_in(act: Act, user_id: str) -> bool:
    if await act.of(LinkedIdentity).find(user_id=user_id):
        return True
    if await act.of(SecondFactor).get(user_id) is not None:
        return True
    return bool(await act.of(ApiKey).by_key(None, 1, created_by=user_id))
