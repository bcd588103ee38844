"""From a signed request to the principal behind its key, once."""

from headrace_auth.crypto.message_signatures import SignatureAlgorithm, verify
from headrace_auth.crypto.pem import from_pem
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.domain.api_keys import ApiKey, is_api_key_id
from headrace_auth.domain.principal import CredentialKind, Principal
from headrace_auth.domain.signed_requests import NONCES_KEPT, SignedRequest
from headrace_auth.ports import Nonces, Store
from headrace_auth.use_cases.credentials.resolve import principal_of_key
from headrace_common.clock import Clock
from headrace_common.errors import credential_invalid


class SignedRequestResolver:
    """Verifies first and remembers the nonce then: who cannot sign cannot use up nonces."""

    def __init__(self, store: Store, sealer: Sealer, nonces: Nonces, clock: Clock) -> None:
        self._principals = store.principals
        self._sealer = sealer
        self._nonces = nonces
        self._clock = clock

    async def resolve(self, request: SignedRequest) -> Principal:
        """Raises CREDENTIAL_INVALID, or DEPENDENCY_UNAVAILABLE when it cannot tell."""
        now = self._clock.now()
        if not request.is_within_bounds() or not request.is_timely(now):
            raise credential_invalid()
        known = is_api_key_id(request.key_id)
        stored = await self._principals.api_key(request.key_id) if known else None
        if stored is None or not stored.key.is_live(now):
            raise credential_invalid()
        if not self._has_signed(stored.key, request):
            raise credential_invalid()
        if not await self._nonces.burn(request.key_id, request.nonce, NONCES_KEPT):
            raise credential_invalid()
        return principal_of_key(stored, CredentialKind.SIGNATURE, stored.key.expires_at)

    def _has_signed(self, key: ApiKey, request: SignedRequest) -> bool:
        if not key.signs:
            return False
        if key.sealed_signing_secret is not None:
            material = self._sealer.open(key.sealed_signing_secret, key.api_key_id)
        else:
            material = from_pem(key.public_key)
        return verify(
            SignatureAlgorithm(key.signature_algorithm),
            material,
            request.signature_base,
            request.signature,
            named=request.algorithm,
        )
