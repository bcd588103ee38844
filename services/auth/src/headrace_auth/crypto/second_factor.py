"""The second factor: codes from an authenticator app (TOTP, RFC 6238) and recovery codes."""

import base64
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from pyotp import TOTP, random_base32
from pyotp.exceptions import OTPVerificationError

from headrace_auth.domain.opaque_secrets import digest

ISSUER = "Headrace"
# What every authenticator app understands: SHA-1, 6 digits and 30 s are pyotp's defaults too.
WINDOW_STEPS = 1
"""How many steps of 30 s a phone's clock may be off, each way."""
RECOVERY_CODES, RECOVERY_CODE_BYTES = 10, 10

_SEPARATORS = re.compile(r"[\s-]+")
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY_CODE = re.compile(r"[A-Z2-7]{16}")


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """New codes as shown once, like `ABCD-EFGH-IJKL-MNOP`, and their digests, which are kept."""

    codes: tuple[str, ...]
    digests: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"RecoveryCodes({len(self.codes)})"


def new_secret() -> str:
    """160 random bits in base32, as people type it into an app that has no camera."""
    return random_base32()


def provisioning_uri(secret: str, email: str) -> str:
    """The `otpauth:` URI that an authenticator app reads from a QR code; as secret as `secret`."""
    return TOTP(secret, name=email, issuer=ISSUER).provisioning_uri()


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The number of the time step whose code this is, None if it is no code of these moments.

    A code is good for one login: the caller keeps the step and refuses it and every earlier one
    from then on (RFC 6238, section 5.2).
    """
    digits = _SEPARATORS.sub("", code)
    if _CODE.fullmatch(digits) is None:
        return None
    try:
        return TOTP(secret).verify_and_get_timecode(digits, for_time=now, valid_window=WINDOW_STEPS)
    except OTPVerificationError:
        return None


def new_recovery_codes() -> RecoveryCodes:
    """Ten codes of 80 random bits: enough that one SHA-256 keeps them, as with API keys."""
    texts = [
        base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode()
        for _ in range(RECOVERY_CODES)
    ]
    return RecoveryCodes(
        tuple("-".join(text[n : n + 4] for n in range(0, 16, 4)) for text in texts),
        tuple(digest(text) for text in texts),
    )


def recovery_code_digest(text: str) -> bytes | None:
    """The digest under which a code is kept, however it was typed; None if it cannot be one."""
    bare = _SEPARATORS.sub("", text).upper()
    return digest(bare) if _RECOVERY_CODE.fullmatch(bare) else None
