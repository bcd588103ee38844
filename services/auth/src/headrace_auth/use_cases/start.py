"""What must be there before the first call: an owner, from settings or from who has the token."""

import hmac

from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.fields import check_name, normalize_email
from headrace_auth.domain.opaque_secrets import digest
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import permission_denied
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.acts import Act, Acts
from headrace_common.errors import HeadraceError
from headrace_common.ids import uuid7
from headrace_common.logs import get_logger

FIRST_ORGANIZATION = "default"


class Bootstrap:
    """Makes the first owner for whoever has the token, once."""

    def __init__(self, acts: Acts, new_passwords: NewPasswords, *, token: str) -> None:
        """`token` is empty where nobody may."""
        self._acts = acts
        self._new_passwords = new_passwords
        self._token = token

    async def make_owner(
        self, caller: Caller, token: str, *, email: str, password: str, organization_name: str
    ) -> Membership:
        """The owner's.

        Raises PERMISSION_DENIED, INVALID_FIELD, QUEUE_FULL and DEPENDENCY_UNAVAILABLE; with a wrong
        token, and once there is an owner, only the first, and always the same.
        """
        async with self._acts.begin(caller) as act:
            is_over = await _has_owner(act)
        # Compared in any case: how long the refusal takes does not tell which it was.
        if not self._is_right(token) or is_over:
            raise _refusal()
        address = normalize_email(email)
        name = organization_name or FIRST_ORGANIZATION
        check_name(name, "organization_name")
        password_hash = await self._new_passwords.hash(password, about=(address, organization_name))
        async with self._acts.begin(caller) as act:
            owner = await _add_first_owner(act, address, password_hash, name)
        if owner is None:
            raise _refusal()
        return owner

    def _is_right(self, token: str) -> bool:
        given, expected = (digest(each) for each in (token, self._token))
        return hmac.compare_digest(given, expected) and bool(self._token)


async def ensure_first_owner(
    acts: Acts, passwords: Passwords, *, email: str, password: str
) -> bool:
    """Give an empty installation an organisation and an owner; changes nothing in any other.

    True for exactly one of several racing callers.
    """
    password_hash = await passwords.hash(password)
    async with acts.begin(Caller()) as act:
        address = normalize_email(email)
        return await _add_first_owner(act, address, password_hash, FIRST_ORGANIZATION) is not None


async def _has_owner(act: Act) -> bool:
    return bool(await act.of(Organization).find(platform=True))


async def _add_first_owner(
    act: Act, email: str, password_hash: str, organization_name: str
) -> Membership | None:
    """None if there is one, be it since a moment ago."""
    await act.alone("first owner")
    if await _has_owner(act):
        return None
    organization = Organization(uuid7(act.now), organization_name, act.now, platform=True)
    owner = User(
        user_id=uuid7(act.now),
        email=email,
        created_at=act.now,
        password_hash=password_hash,
        email_verified_at=act.now,
    )
    about = {"user_id": owner.user_id, "organization_id": organization.organization_id}
    await act.add(organization, **about)
    await act.add(owner, **about)
    membership = Membership(owner.user_id, organization.organization_id, Role.OWNER, act.now)
    await act.add(membership, **about)
    get_logger().info("first_owner_created", user_id=owner.user_id)
    return membership


def _refusal() -> HeadraceError:
    return permission_denied("This installation cannot be bootstrapped with this token.")
