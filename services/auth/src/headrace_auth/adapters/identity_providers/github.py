"""Logs people in through GitHub, whose OAuth 2.0 has no ID tokens: its API says who they are."""

from typing import Any

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError
from headrace_auth.domain.external_identity import ExternalIdentity, external_identity
from headrace_auth.domain.federation import ProviderConfig

AUTHORIZE, ACCESS_TOKEN = "/login/oauth/authorize", "/login/oauth/access_token"
USER, EMAILS = "/user", "/user/emails?per_page=100"
ACCEPT = "application/vnd.github+json"


class GitHubProvider:
    """github.com or a GitHub Enterprise Server; the latter's API is at `<issuer>/api/v3`.

    `nonce` protects ID tokens, so that it is not used; `state` and PKCE bind code and browser.
    """

    def __init__(self, config: ProviderConfig, channel: BackChannel) -> None:
        self._config = config
        self._channel = channel
        self._web = config.issuer.removesuffix("/")
        self._api = config.api_url.removesuffix("/")

    async def authorization_url(
        self,
        *,
        redirect_uri: str,
        state: str,
        nonce: str,  # noqa: ARG002 - see above
        code_verifier: str,
    ) -> str:
        async with self._channel.conversation(self._config) as conversation:
            return conversation.authorization_url(
                self._web + AUTHORIZE,
                redirect_uri=redirect_uri,
                state=state,
                code_verifier=code_verifier,
            )

    async def identity(
        self,
        *,
        redirect_uri: str,
        code: str,
        nonce: str,  # noqa: ARG002 - see above
        code_verifier: str,
    ) -> ExternalIdentity:
        async with self._channel.conversation(self._config) as conversation:
            token = await conversation.fetch_token(
                self._web + ACCESS_TOKEN,
                auth_method="client_secret_post",
                redirect_uri=redirect_uri,
                code=code,
                code_verifier=code_verifier,
            )
            access_token = token["access_token"]
            user = await conversation.get_json(
                self._api + USER, access_token=access_token, accept=ACCEPT
            )
            emails = await conversation.get_json(
                self._api + EMAILS, access_token=access_token, accept=ACCEPT
            )
            return self._identity(user, emails)

    def _identity(self, user: Any, emails: Any) -> ExternalIdentity:
        # The number stays; the login name can be given up, and taken by somebody else.
        number = user.get("id") if isinstance(user, dict) else None
        if type(number) is not int:
            raise UnbelievableError("user_id")
        primary = _primary_verified(emails)
        return external_identity(
            self._config.name,
            str(number),
            email=primary,
            email_verified=primary is not None,
            name=user.get("name") or user.get("login"),
        )


def _primary_verified(emails: Any) -> Any:
    """The one address that counts; the others are not shown to be read by the person."""
    if not isinstance(emails, list):
        raise UnbelievableError("user_emails")
    for entry in emails:
        if (
            isinstance(entry, dict)
            and entry.get("primary") is True
            and entry.get("verified") is True
        ):
            return entry.get("email")
    return None
