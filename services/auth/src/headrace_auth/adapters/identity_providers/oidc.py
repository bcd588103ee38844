"""Logs people in through any OpenID Connect provider (OpenID Connect Core 1.0, section 3.1)."""

from functools import partial
from typing import Any

from headrace_auth.adapters.identity_providers import id_token
from headrace_auth.adapters.identity_providers.back_channel import BackChannel, Conversation
from headrace_auth.adapters.identity_providers.cached import Cached
from headrace_auth.adapters.identity_providers.discovery import (
    Metadata,
    discovery_url,
    read_metadata,
)
from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError
from headrace_auth.domain.external_identity import ExternalIdentity, external_identity
from headrace_auth.domain.federation import ProviderConfig
from headrace_common.clock import Clock

KEPT_SECONDS = 3600
REFETCH_SECONDS = 60
"""At most so often a token with an unknown key makes us ask for the keys again."""


class OpenIdProvider:
    """One provider; what it publishes is kept for an hour."""

    def __init__(self, config: ProviderConfig, channel: BackChannel, clock: Clock) -> None:
        self._config = config
        self._channel = channel
        self._clock = clock
        self._metadata = Cached[Metadata](clock, seconds=KEPT_SECONDS)
        self._key_set = Cached[Any](clock, seconds=KEPT_SECONDS)

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        async with self._channel.conversation(self._config) as conversation:
            metadata = await self._discover(conversation)
            return conversation.authorization_url(
                metadata.authorization_endpoint,
                redirect_uri=redirect_uri,
                state=state,
                code_verifier=code_verifier,
                nonce=nonce,
            )

    async def identity(
        self, *, redirect_uri: str, code: str, nonce: str, code_verifier: str
    ) -> ExternalIdentity:
        async with self._channel.conversation(self._config) as conversation:
            metadata = await self._discover(conversation)
            token = await conversation.fetch_token(
                metadata.token_endpoint,
                auth_method=metadata.auth_method,
                redirect_uri=redirect_uri,
                code=code,
                code_verifier=code_verifier,
            )
            claims = await self._believe(conversation, metadata, token, nonce)
            profile = claims
            if not claims.get("email") and metadata.userinfo_endpoint:
                profile = await _user_info(conversation, metadata.userinfo_endpoint, token)
                if profile["sub"] != claims["sub"]:  # section 5.3.2: of somebody else
                    raise UnbelievableError("userinfo_sub")
            return self._identity(claims, profile)

    async def _discover(self, conversation: Conversation) -> Metadata:
        async def load() -> Metadata:
            document = await conversation.get_json(discovery_url(self._config))
            return read_metadata(document, self._config)

        return await self._metadata.get(load)

    async def _believe(
        self, conversation: Conversation, metadata: Metadata, token: dict[str, Any], nonce: str
    ) -> dict[str, Any]:
        name = id_token.key_name(token.get("id_token"))
        load = partial(conversation.get_json, metadata.jwks_uri)
        key = id_token.find_key(await self._key_set.get(load), name)
        if key is None:  # perhaps it is new
            key_set = await self._key_set.get(load, younger_than=REFETCH_SECONDS)
            key = id_token.find_key(key_set, name)
        if key is None:
            raise UnbelievableError("id_token_key")
        expected = id_token.Expected(
            self._config.issuer, self._config.client_id, nonce, token["access_token"]
        )
        return id_token.believe(token["id_token"], key, expected, self._clock.now())

    def _identity(self, claims: dict[str, Any], profile: dict[str, Any]) -> ExternalIdentity:
        try:
            return external_identity(
                self._config.name,
                claims["sub"],
                email=profile.get("email"),
                email_verified=profile.get("email_verified"),
                name=profile.get("name") or profile.get("preferred_username"),
            )
        except ValueError as error:
            raise UnbelievableError("id_token_sub") from error


async def _user_info(
    conversation: Conversation, endpoint: str, token: dict[str, Any]
) -> dict[str, Any]:
    answer = await conversation.get_json(endpoint, access_token=token["access_token"])
    if not isinstance(answer, dict) or not isinstance(answer.get("sub"), str):
        raise UnbelievableError("userinfo")
    return answer
