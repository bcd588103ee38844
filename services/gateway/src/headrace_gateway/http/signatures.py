"""Reads a signed request (RFC 9421 with RFC 9530) and refuses what can be refused without a key."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.types import Scope

from headrace_common.errors import credential_invalid
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.http.signature_base import field_value, signature_base
from headrace_gateway.http.signature_fields import parse_content_digest, parse_signature

WINDOW = timedelta(minutes=5)
"""How far `created` may be from our clock, either way; nonces must be remembered for twice that."""


def parse_signed_request(
    scope: Scope, now: datetime, window: timedelta = WINDOW
) -> SignedRequest | None:
    """What a signed request's sender claims, for `auth` to verify; None if it is not signed.

    The body has not been read: check it with `check_content_digest` once it has. Raises
    CREDENTIAL_INVALID, with the broken rule as its cause, unless

    - Signature-Input and Signature are well-formed and hold one signature under one label;
    - it covers `@method`, then `@target-uri` or `@authority`, `@path` and a query's `@query`, and
      of a request with a body `content-digest`; all covered components are in the request and
      have no parameters;
    - it has `created` within `window` of `now`, `keyid`, `nonce`, and `expires`, if given, in the
      future.
    """
    try:
        return _parse(scope, now, window)
    except ValueError as error:
        raise credential_invalid() from error


def _parse(scope: Scope, now: datetime, window: timedelta) -> SignedRequest | None:
    signature_input = field_value(scope, "signature-input")
    signature = field_value(scope, "signature")
    if signature_input is None and signature is None:
        return None
    fields = parse_signature(signature_input or b"", signature or b"")
    _check_coverage(scope, fields.components)
    created = _time(fields.parameters["created"])
    expires = _time(fields.parameters["expires"]) if "expires" in fields.parameters else None
    if abs(now - created) > window or (expires is not None and expires <= now):
        raise ValueError("too old, from the future, or expired")
    digest = field_value(scope, "content-digest") if "content-digest" in fields.components else None
    return SignedRequest(
        key_id=fields.parameters["keyid"],
        algorithm=fields.parameters.get("alg", ""),
        signature_base=signature_base(scope, fields.components, fields.signature_params),
        signature=fields.signature,
        created=created,
        expires=expires,
        nonce=fields.parameters["nonce"],
        content_digest=None if digest is None else parse_content_digest(digest),
    )


def _check_coverage(scope: Scope, components: Collection[str]) -> None:
    required = {"@method"}
    if "@target-uri" not in components:
        required |= {"@authority", "@path"}
        if scope["query_string"]:
            required.add("@query")
    if _has_body(scope):
        required.add("content-digest")
    missing = required.difference(components)
    if missing:
        raise ValueError(f"not covered: {', '.join(sorted(missing))}")


def _has_body(scope: Scope) -> bool:
    """Whether one is announced (RFC 9112, section 6.3); no other can come in HTTP/1.1."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" \t0") != b"")
        for name, value in scope["headers"]
    )


def _time(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time") from error
