"""What must be there before the first call: an owner."""

from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.fields import normalize_email
from headrace_auth.domain.principal import Role
from headrace_auth.use_cases.acts import Acts
from headrace_common.ids import uuid7
from headrace_common.logs import get_logger

FIRST_ORGANIZATION = "default"


async def ensure_first_owner(
    acts: Acts, passwords: Passwords, *, email: str, password: str
) -> bool:
    """Give an empty installation an organisation and an owner; changes nothing in any other.

    True for exactly one of several racing callers.
    """
    password_hash = await passwords.hash(password)
    async with acts.begin(Caller()) as act:
        await act.alone("first owner")
        if await act.of(Organization).find(platform=True):
            return False
        organization = Organization(uuid7(act.now), FIRST_ORGANIZATION, act.now, platform=True)
        owner = User(
            user_id=uuid7(act.now),
            email=normalize_email(email),
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
    return True
