"""What the exceptions of the dependency scan rely on."""

import subprocess
import sys

PROGRAM = """
import sys
from datetime import UTC, datetime, timedelta
from cryptography.hazmat.primitives.asymmetric import ec
import headrace_auth.app, headrace_gateway.app
from headrace_common.signed_tokens import PublicKey, TokenSigner, TokenVerifier
from jose import jwk

private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
claims = {"iss": "i", "aud": "a", "iat": int(now.timestamp()), "exp": int(now.timestamp()) + 60}
token = TokenSigner("k", private, "ES256").sign(claims)
public = jwk.construct(private.public_key(), "ES256").to_dict()
TokenVerifier([PublicKey("k", public)], issuer="i", audience="a").verify(token, now)
print(sorted(name for name in sys.modules if name.partition(".")[0] == "ecdsa"))
"""


def test_signing_and_verifying_never_load_ecdsa() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr
