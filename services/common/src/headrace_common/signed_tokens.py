"""Verifies signed access tokens (JWS, RFC 7515; profile of RFC 9068) with public keys."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from jose import jwk, jws
from jose.exceptions import JOSEError
from jose.utils import base64url_decode, base64url_encode

TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068, section 2.1
"""Keeps other kinds of signed tokens from passing as access tokens."""

MAXIMUM_LENGTH = 4096
LEEWAY = timedelta(seconds=30)
"""How far another machine's clock may be ahead before its tokens look like the future."""

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class InvalidTokenError(Exception):
    """The token is malformed, forged, for somebody else, expired or not yet valid."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One verification key; the algorithm belongs to the key and is never the token's choice."""

    kid: str
    algorithm: str
    jwk: Mapping[str, Any]


class TokenVerifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, keys: Sequence[PublicKey], *, issuer: str, audience: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = {
            key.kid: (jwk.construct(dict(key.jwk), key.algorithm), key.algorithm) for key in keys
        }

    def knows(self, token: str) -> bool:
        """Whether the key that the token names is one of ours; raises InvalidTokenError."""
        try:
            return _key_id(token) in self._keys
        except (JOSEError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidTokenError from error

    def verify(self, token: str, now: datetime) -> dict[str, Any]:
        """The claims of an authentic token that is valid now; raises InvalidTokenError."""
        try:
            key, algorithm = self._keys[_key_id(token)]
            claims: dict[str, Any] = json.loads(jws.verify(token, key, algorithms=[algorithm]))
            self._check(claims, now)
        except (JOSEError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidTokenError from error
        return claims

    def _check(self, claims: dict[str, Any], now: datetime) -> None:
        if claims["iss"] != self._issuer or claims["aud"] != self._audience:
            raise ValueError("another issuer or audience")
        issued, expires = _time(claims["iat"]), _time(claims["exp"])
        starts = max(issued, _time(claims.get("nbf", claims["iat"])))
        if not starts - LEEWAY <= now < expires:
            raise ValueError("expired or not yet valid")


def _key_id(token: str) -> str:
    if len(token) > MAXIMUM_LENGTH or not _COMPACT.fullmatch(token):
        raise ValueError("not a compact JWS")
    header: Any = jws.get_unverified_header(token)
    if header.get("typ") != TOKEN_TYPE or "crit" in header:
        raise ValueError("another type, or an extension that must be understood (RFC 7515)")
    signature = token.rpartition(".")[2].encode()
    if base64url_encode(base64url_decode(signature)) != signature:
        raise ValueError("two spellings of one signature would be two credentials")
    kid = header["kid"]
    if not isinstance(kid, str):
        raise TypeError("kid is not a string")
    return kid


def _time(value: Any) -> datetime:
    if type(value) is not int:
        raise TypeError("not an integer")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time") from error
