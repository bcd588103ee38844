"""`/api/v1/signing-keys`: what signs access tokens, for those who run this installation."""

from headrace_gateway.http.account_routes import AccountRoute, record, records
from headrace_gateway.http.bodies import Body


class SigningKeyRotationBody(Body):
    """`POST /api/v1/signing-keys/rotate`."""

    withdraw: bool = False
    """All others end when the new key begins, in three minutes, with their tokens."""


SIGNING_KEYS = (
    AccountRoute(
        "GET",
        "/api/v1/signing-keys",
        "PlatformService/ListSigningKeys",
        "List the keys that sign access tokens",
        records("signing_key"),
    ),
    AccountRoute(
        "POST",
        "/api/v1/signing-keys/rotate",
        "PlatformService/RotateSigningKeys",
        "Make the next key that signs access tokens",
        record("signing_key"),
        body=SigningKeyRotationBody,
    ),
)
