"""Secrets at rest: AES-256-GCM under the key-encryption key (NIST SP 800-38D)."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace_common.errors import HeadraceError, Reason

NONCE_BYTES = 12


class Sealer:
    """Seals bytes under a 32-byte key; what is sealed for one name cannot be opened for another."""

    def __init__(self, key_encryption_key: bytes) -> None:
        self._cipher = AESGCM(key_encryption_key)

    def seal(self, plaintext: bytes, name: str) -> bytes:
        """A random nonce followed by ciphertext and tag; `name` is authenticated with it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """The plaintext; raises HeadraceError (NOT_SERVING) under a wrong key or name."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise HeadraceError(
                Reason.NOT_SERVING,
                "a stored secret cannot be opened: HEADRACE_AUTH_KEY_ENCRYPTION_KEY is not the one"
                " that it was stored under",
            ) from error
