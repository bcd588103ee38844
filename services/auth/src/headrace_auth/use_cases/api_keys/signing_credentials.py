"""Making keys that sign requests: by a private key of their holder, or by a shared secret."""

from dataclasses import dataclass, replace

from headrace_auth.crypto.message_signatures import SignatureAlgorithm, parse_public_key
from headrace_auth.crypto.new_secrets import new_api_key, new_secret
from headrace_auth.crypto.pem import to_pem
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.mails import Done
from headrace_auth.domain.opaque_secrets import Secret, TokenPrefix
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView
from headrace_auth.use_cases.api_keys.new_api_keys import add_key, draft_key
from headrace_auth.use_cases.credential_notices import CredentialNotices


@dataclass(frozen=True, slots=True)
class CreatedSigningCredential:
    """A key that signs and, this once, its secret; None where only its holder has one."""

    view: ApiKeyView
    secret: Secret | None


class SigningCredentials:
    """Makes them as KeyManager makes keys; they have no secret that could be shown as a bearer."""

    def __init__(self, acts: Acts, sealer: Sealer, notices: CredentialNotices) -> None:
        self._acts = acts
        self._notices = notices
        self._sealer = sealer

    async def create(
        self, caller: Caller, request: ApiKeyRequest, *, algorithm: str, public_key: str
    ) -> CreatedSigningCredential:
        """Raises PERMISSION_DENIED, and INVALID_FIELD for a key that is not of the algorithm."""
        principal = caller.identified()
        reach = authorize(principal, Action.CREATE_SIGNING_CREDENTIAL)
        pem = _check_public_key(algorithm, public_key)
        secret = None if pem else new_secret(TokenPrefix.SIGNING_SECRET)
        api_key_id = new_api_key().api_key_id
        async with self._acts.begin(caller) as act:
            draft = await draft_key(act, principal, reach, request, api_key_id)
            key = replace(
                draft,
                signature_algorithm=algorithm,
                public_key=pem,
                sealed_signing_secret=self._sealed(secret, api_key_id),
            )
            await self._notices.of_key(act, key, Done.MADE)
            return CreatedSigningCredential(await add_key(act, key, request), secret)

    def _sealed(self, secret: Secret | None, api_key_id: str) -> bytes | None:
        return self._sealer.seal(secret.reveal().encode(), api_key_id) if secret else None


def _check_public_key(algorithm: str, public_key: str) -> str:
    """The key in PEM, or nothing for an algorithm that has none."""
    if algorithm not in list(SignatureAlgorithm):
        known = ", ".join(SignatureAlgorithm)
        raise invalid_field("signature_algorithm", f"must be one of {known}")
    if algorithm == SignatureAlgorithm.HMAC_SHA256:
        if public_key:
            raise invalid_field("public_key", f"{algorithm} has none; its secret is made here")
        return ""
    found, der = parse_public_key(public_key)
    if found != algorithm:
        raise invalid_field("signature_algorithm", f"the public key is one of {found}")
    return to_pem(der)
