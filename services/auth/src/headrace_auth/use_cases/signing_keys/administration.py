"""What those who run this installation may see and do of the keys that sign access tokens."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.ports import SealedSigningKey, SigningKeys
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation


class SigningKeyAdministration:
    """Every method raises PERMISSION_DENIED and DEPENDENCY_UNAVAILABLE."""

    def __init__(self, acts: Acts, keys: SigningKeys, rotation: SigningKeyRotation) -> None:
        self._acts = acts
        self._keys = keys
        self._rotation = rotation

    async def list(self, caller: Caller) -> list[SealedSigningKey]:
        """In the order in which they begin to sign."""
        authorize(caller.identified(), Action.LIST_SIGNING_KEYS)
        return await self._keys.all()

    async def rotate(self, caller: Caller, *, withdraw: bool) -> SealedSigningKey:
        """The next key; the audit hears of its id."""
        authorize(caller.identified(), Action.ROTATE_SIGNING_KEYS)
        key = await self._rotation.rotate_now(withdraw=withdraw)
        # A rotation that could not be told fails: who asks again gets the key that waits, and
        # tells of it.
        operation = "signing_keys_withdrawn" if withdraw else "signing_keys_rotated"
        async with self._acts.begin(caller) as act:
            await act.warn(operation, f"signing_key:{key.kid}")
        return key
