"""Public keys as text: the PEM of RFC 7468."""

import base64
import textwrap

LABEL = "PUBLIC KEY"


def to_pem(der: bytes) -> str:
    """SubjectPublicKeyInfo with its label, in lines of 64 characters."""
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join([f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", ""])


def from_pem(pem: str) -> bytes:
    """What `to_pem` was given."""
    return base64.b64decode("".join(pem.splitlines()[1:-1]))
