"""Whose signatures answers carry: what model servers tell of their keys, fit to be published."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """A public Ed25519 key, 32 bytes, by which signatures of answers are verified."""

    kid: str
    public_key: bytes

    def jwk(self) -> dict[str, str]:
        """Its JSON Web Key without a name (RFC 8037)."""
        return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(self.public_key)}

    def thumbprint(self) -> str:
        """What its `kid` should be (RFC 7638)."""
        # by hand: the members in order and without spaces, none of which needs an escape
        members = ",".join(f'"{name}":"{value}"' for name, value in self.jwk().items())
        return _base64url(hashlib.sha256(f"{{{members}}}".encode()).digest())


@dataclass(frozen=True, slots=True)
class PublishedAnswerKey:
    """A key, and the models whose servers told it: it vouches for no others."""

    key: AnswerKey
    models: tuple[str, ...]


def publishable(told: Mapping[str, Iterable[AnswerKey]]) -> list[PublishedAnswerKey]:
    """The keys that each model's server told.

    One under another name than its thumbprint is left out, so that no server can put its own key
    in the place of another's.
    """
    models: dict[AnswerKey, list[str]] = {}
    for model, keys in sorted(told.items()):
        for key in dict.fromkeys(keys):
            if key.kid == key.thumbprint():
                models.setdefault(key, []).append(model)
    named = sorted(models.items(), key=lambda item: item[0].kid)
    return [PublishedAnswerKey(key, tuple(its)) for key, its in named]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
