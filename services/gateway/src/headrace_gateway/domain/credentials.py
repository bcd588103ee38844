"""The credential of a request, from what it brings under two names."""

from collections.abc import Sequence


def presented_credential(authorization: Sequence[str], api_key: Sequence[str]) -> str:
    """The bearer credential, or without any `authorization` the `x-api-key`, or nothing.

    One that is repeated is joined as HTTP joins lists (RFC 9110, section 5.3): no credential.
    """
    if not authorization:
        return ", ".join(api_key).strip()
    scheme, _, value = ", ".join(authorization).partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
