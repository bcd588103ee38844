"""Believes ID tokens, or not (OpenID Connect Core 1.0, section 3.1.3.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from headrace_auth.adapters.identity_providers.back_channel import UNREADABLE
from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError

KEY_OF_ALGORITHM: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "RS256": ("RSA", None),
        "PS256": ("RSA", None),
        "ES256": ("EC", "P-256"),
        "EdDSA": ("OKP", "Ed25519"),
    }
)
"""Type and curve of the key for each algorithm that is believed; none and HS256 are not here."""

MINIMUM_RSA_BITS = 2048
LEEWAY_SECONDS = 120
"""How far a provider's clock may be off."""

_REGISTRY = jws.JWSRegistry(algorithms=list(KEY_OF_ALGORITHM), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say; its `at_hash`, if any, must be the access token's."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyName:
    """Which key signed a token, as its own header says; nothing of it is believed yet."""

    algorithm: str
    kid: str | None


def key_name(id_token: object) -> KeyName:
    """Raises UnbelievableError unless it is a compact JWS with an algorithm that is allowed."""
    if not isinstance(id_token, str):
        raise UnbelievableError("id_token_missing")
    try:
        header = jws.extract_compact(id_token.encode(), registry=_REGISTRY).headers()
        algorithm, kid = header["alg"], header.get("kid")
    except (JoseError, *UNREADABLE) as error:
        raise UnbelievableError("id_token_header") from error
    if not isinstance(algorithm, str) or algorithm not in KEY_OF_ALGORITHM:
        raise UnbelievableError("id_token_algorithm")
    if kid is not None and not isinstance(kid, str):
        raise UnbelievableError("id_token_kid")
    return KeyName(algorithm, kid)


def find_key(key_set: Any, name: KeyName) -> dict[str, Any] | None:
    """The one JWK of a JWK Set (RFC 7517) that fits; None if none does, or several."""
    keys = key_set.get("keys") if isinstance(key_set, dict) else None
    fitting = [key for key in keys if _fits(key, name)] if isinstance(keys, list) else []
    return fitting[0] if len(fitting) == 1 else None


def believe(
    id_token: str, key: dict[str, Any], expected: Expected, now: datetime
) -> dict[str, Any]:
    """The claims of a token that `key` signed and that is for us, now; else UnbelievableError."""
    try:
        token = jwt.decode(id_token, _public_key(key), registry=_REGISTRY)
        # The options want each claim to be there; for the nonce the params want it to be all there
        # is, but are passed over when empty.
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": expected.issuer},
                "aud": {"essential": True, "value": expected.client_id},
                "nonce": {"essential": True, "value": expected.nonce},
            },
            params={
                "client_id": expected.client_id,
                "nonce": expected.nonce,
                "access_token": expected.access_token,
            },
        )
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
    except ClaimError as error:
        raise UnbelievableError(f"id_token_{error.claim}") from error
    except JoseError as error:
        raise UnbelievableError(f"id_token_{error.error}") from error
    except UNREADABLE as error:
        raise UnbelievableError("id_token") from error
    return dict(claims)


def _fits(key: Any, name: KeyName) -> bool:
    if not isinstance(key, dict):
        return False
    kind, curve = KEY_OF_ALGORITHM[name.algorithm]
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", name.algorithm) == name.algorithm
        and (name.kid is None or key.get("kid") == name.kid)
    )


def _public_key(jwk: dict[str, Any]) -> RSAKey | ECKey | OKPKey:
    key = import_key(jwk)
    if isinstance(key, RSAKey):
        if key.public_key.key_size < MINIMUM_RSA_BITS:
            raise ValueError(f"an RSA key must have at least {MINIMUM_RSA_BITS} bits")
        return key
    if isinstance(key, ECKey | OKPKey):
        return key
    raise TypeError("not a public key")
