"""Signs and verifies access tokens (JWS, RFC 7515; profile of RFC 9068); all use of python-jose."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from jose import jwk, jws
from jose.exceptions import JOSEError

TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068, section 2.1
"""Keeps other kinds of signed tokens from passing as access tokens."""

MAXIMUM_LENGTH = 4096
LEEWAY = timedelta(seconds=30)
"""How far another machine's clock may be ahead before its tokens look like the future."""

_COMPACT = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
_FAULTS = (JOSEError, ValueError, KeyError, TypeError, RecursionError)


class InvalidTokenError(Exception):
    """The token is malformed, forged, for somebody else, expired or not yet valid."""


class UnknownKeyError(InvalidTokenError):
    """The token names a key that is not among ours, perhaps not yet."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One verification key (RFC 7517); from `retires_at` on, nothing that it signed is believed."""

    kid: str
    jwk: Mapping[str, Any]
    retires_at: datetime | None = None


def algorithm_of(key: Mapping[str, Any]) -> str | None:
    """The one algorithm that a JWK may be used with, by its type; None for types not used here.

    Never a token's choice, so that no key is used in a way that it was not made for (RFC 8725).
    """
    match key.get("kty"), key.get("crv"):
        case "EC", "P-256":
            return "ES256"
        case "RSA", None:
            return "RS256"
    return None


class TokenSigner:
    """Signs with one private key of the `cryptography` package, P-256 or RSA."""

    def __init__(self, kid: str, private_key: Any, algorithm: str) -> None:
        self._headers = {"typ": TOKEN_TYPE, "kid": kid}
        self._algorithm = algorithm
        self._key = jwk.construct(private_key, algorithm)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS."""
        return str(jws.sign(claims, self._key, headers=self._headers, algorithm=self._algorithm))


@dataclass(frozen=True, slots=True)
class _Key:
    algorithm: str
    verifying: Any
    """jose's key object, whose making costs more than its use."""
    retires_at: datetime | None


class TokenVerifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, keys: Sequence[PublicKey], *, issuer: str, audience: str) -> None:
        """Keys of a type that is not used here are ignored (RFC 7517, section 5)."""
        self._issuer = issuer
        self._audience = audience
        self._keys = {
            key.kid: _Key(algorithm, jwk.construct(dict(key.jwk), algorithm), key.retires_at)
            for key in keys
            if (algorithm := algorithm_of(key.jwk)) is not None
        }
        # Headers of authentic tokens, as they were encoded: one for each key, so parsed once each.
        self._headers: dict[str, _Key] = {}

    def verify(self, token: str, now: datetime) -> dict[str, Any]:
        """The claims of an authentic token that is valid now.

        Raises InvalidTokenError, for a key that is not ours UnknownKeyError.
        """
        try:
            claims = self._authentic(token, now)
            self._check(claims, now)
        except _FAULTS as error:
            raise InvalidTokenError from error
        return claims

    def _authentic(self, token: str, now: datetime) -> dict[str, Any]:
        """The claims that one of our keys signed; jose's own way parses everything three times."""
        match = _COMPACT.fullmatch(token) if len(token) <= MAXIMUM_LENGTH else None
        if match is None:
            raise ValueError("not a compact JWS")
        header, payload, signature = match.groups()
        key = self._headers.get(header) or self._key_of(header)
        if key.retires_at is not None and key.retires_at <= now:
            raise ValueError("signed with a key that has been withdrawn")
        raw_signature = _decode(signature)
        if _encode(raw_signature) != signature:
            raise ValueError("two spellings of one signature would be two credentials")
        if not key.verifying.verify(token[: match.end(2)].encode(), raw_signature):
            raise ValueError("another key's signature, or another text's")
        self._headers[header] = key
        claims: dict[str, Any] = json.loads(_decode(payload))
        return claims

    def _key_of(self, encoded_header: str) -> _Key:
        header: Any = json.loads(_decode(encoded_header))
        if header["typ"] != TOKEN_TYPE or "crit" in header:
            raise ValueError("another type, or an extension that must be understood (RFC 7515)")
        key = self._keys.get(header["kid"])
        if key is None:
            raise UnknownKeyError
        if header["alg"] != key.algorithm:
            raise ValueError("not the key's algorithm")
        return key

    def _check(self, claims: dict[str, Any], now: datetime) -> None:
        if claims["iss"] != self._issuer or claims["aud"] != self._audience:
            raise ValueError("another issuer or audience")
        issued, expires = _time(claims["iat"]), _time(claims["exp"])
        starts = max(issued, _time(claims.get("nbf", claims["iat"])))
        if not starts - LEEWAY <= now < expires:
            raise ValueError("expired or not yet valid")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")  # more padding than needed is no fault to it


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _time(value: Any) -> datetime:
    if type(value) is not int:
        raise TypeError("not an integer")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time") from error
