"""What is remembered of a login while the person is at the identity provider."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

LOGIN_SECONDS = 600
"""How long somebody may take at the provider."""

_CODE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """Kept under the `state` of one authorization request (RFC 6749, section 4.1.1).

    `redirect_uri` is the front end's, which also gave `front_end_challenge` (S256): only who knows
    its verifier gets the outcome. `link_session_id` is the session whose person links the provider.
    """

    provider: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    redirect_uri: str
    front_end_challenge: str = field(repr=False)
    created_at: datetime
    link_session_id: str | None = None


def s256_challenge(code_verifier: str) -> str:
    """The challenge of a verifier (RFC 7636, section 4.2); raises ValueError for an unfit one."""
    if not _CODE_VERIFIER.fullmatch(code_verifier):
        raise ValueError("code_verifier must have from 43 to 128 unreserved characters")
    digest = hashlib.sha256(code_verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_s256_challenge(text: str) -> bool:
    """Whether `text` can be a challenge: 32 bytes in base64url without padding."""
    return _S256_CHALLENGE.fullmatch(text) is not None
