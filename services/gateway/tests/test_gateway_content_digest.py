"""A body is taken for the one that was signed only if every digest of it agrees."""

import hashlib

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.rules import complaint
from headrace_gateway.domain.signed_request import check_content_digest

BODY = b'{"model":"echo"}'
SHA_256, SHA_512 = hashlib.sha256(BODY).digest(), hashlib.sha512(BODY).digest()


@pytest.mark.parametrize(
    ("digests", "body"),
    [
        ({"sha-256": SHA_256}, BODY),
        ({"sha-256": SHA_256, "sha-512": SHA_512}, BODY),
        ({"sha-512": hashlib.sha512(b"").digest()}, b""),
        (None, b""),
    ],
)
def test_the_signed_body_passes(digests: dict[str, bytes] | None, body: bytes) -> None:
    assert complaint(check_content_digest, digests, body) == ""


@pytest.mark.parametrize(
    ("digests", "body"),
    [
        ({"sha-256": SHA_256}, BODY + b" "),
        ({"sha-256": SHA_256}, b""),
        ({"sha-256": SHA_256, "sha-512": bytes(64)}, BODY),
        ({"sha-256": bytes(32), "sha-512": SHA_512}, BODY),
        ({"sha-256": SHA_256[:31]}, BODY),
        ({"md5": hashlib.md5(BODY).digest()}, BODY),
        ({}, BODY),
        ({}, b""),
        (None, BODY),
    ],
)
def test_any_other_body_is_refused(digests: dict[str, bytes] | None, body: bytes) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_content_digest(digests, body)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
