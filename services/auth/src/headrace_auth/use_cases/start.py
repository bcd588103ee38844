"""What must be there before the first call: an owner and a signing key."""

from headrace_auth.crypto import signing_keys
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.signing_keys import SigningKey
from headrace_auth.domain.fields import normalize_email
from headrace_auth.ports import FirstOwner, Store
from headrace_common.clock import Clock
from headrace_common.ids import uuid7
from headrace_common.logs import get_logger

FIRST_ORGANIZATION = "default"


async def ensure_first_owner(
    store: Store, passwords: Passwords, clock: Clock, *, email: str, password: str
) -> None:
    """Give an empty installation an organisation and an owner; changes nothing in any other."""
    if await store.users.any_exists():
        return
    now = clock.now()
    owner = FirstOwner(
        organization_id=uuid7(now),
        organization_name=FIRST_ORGANIZATION,
        user_id=uuid7(now),
        email=normalize_email(email),
        password_hash=await passwords.hash(password),
        created_at=now,
    )
    if await store.users.add_first_owner(owner):
        get_logger().info("first_owner_created", user_id=owner.user_id)


async def ensure_signing_keys(store: Store, sealer: Sealer, clock: Clock) -> list[SigningKey]:
    """All signing keys, newest first; makes the first one if there is none.

    Several processes that start at once end with the same one key. Raises HeadraceError
    (NOT_SERVING) if the key-encryption key is not the one that the keys were stored under.
    """
    stored = await store.signing_keys.newest_first()
    if not stored:
        await store.signing_keys.add_first(signing_keys.generate(sealer, clock.now()))
        stored = await store.signing_keys.newest_first()
    return [signing_keys.unseal(key, sealer) for key in stored]
