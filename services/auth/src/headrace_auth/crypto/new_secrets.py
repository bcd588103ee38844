"""New opaque secrets and credentials: the one place that draws their random bytes."""

import secrets

from headrace_auth.domain import api_keys, oauth_clients, opaque_secrets
from headrace_auth.domain.api_keys import ApiKeyText
from headrace_auth.domain.opaque_secrets import Secret, TokenPrefix


def new_secret(prefix: TokenPrefix) -> Secret:
    """A secret of 256 random bits."""
    return opaque_secrets.mint(prefix, secrets.token_bytes(opaque_secrets.ENTROPY_BYTES))


def new_api_key() -> ApiKeyText:
    """A key with an id and a secret that no other has."""
    return api_keys.mint(secrets.token_bytes(api_keys.ENTROPY_BYTES))


def new_api_key_secret(api_key_id: str) -> ApiKeyText:
    """A new secret for a key that exists."""
    return api_keys.mint_for(api_key_id, secrets.token_bytes(api_keys.ENTROPY_BYTES))


def new_client_id() -> str:
    """A public id of an application, which no other has."""
    return oauth_clients.client_id_of(secrets.token_bytes(oauth_clients.CLIENT_ID_BYTES))
