"""Tells people of credentials that outlive the login, or the stolen token, that made them."""

from functools import partial

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.directory import User, UserKind
from headrace_auth.domain.mails import Credential, CredentialNews, Done, credential_news
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.outgoing_mail import OutgoingMail

OWN = "your account"


class CredentialNotices:
    """Writes to the person that a credential acts as; a service account's are told to who did it.

    That is always a person: programs may not deal with credentials (`domain/rights.py`).
    """

    def __init__(self, outgoing_mail: OutgoingMail) -> None:
        self._outgoing_mail = outgoing_mail

    async def of_key(self, act: Act, key: ApiKey, done: Done) -> None:
        """Tell of an API key or a signing key."""
        what = Credential.SIGNING_KEY if key.signs else Credential.API_KEY
        news = CredentialNews(
            what, done, key.api_key_id, key.name, key.scopes, act.now, act.caller.source_address
        )
        user = await act.of(User).get(key.created_by)
        if user is None:
            return
        if user.kind is UserKind.PERSON:
            self._tell(act, user, news, OWN)
            return
        await self._tell_actor(act, news, f'the service account "{user.name}"')

    async def of_client(self, act: Act, client: OAuthClient, done: Done) -> None:
        """Tell of an application."""
        news = CredentialNews(
            Credential.APPLICATION,
            done,
            client.client_id,
            client.name,
            client.scopes,
            act.now,
            act.caller.source_address,
        )
        await self._tell_actor(act, news, "your organization")

    async def _tell_actor(self, act: Act, news: CredentialNews, whose: str) -> None:
        actor = await act.of(User).get(act.caller.identified().member.user_id)
        if actor is not None:
            self._tell(act, actor, news, whose)

    def _tell(self, act: Act, user: User, news: CredentialNews, whose: str) -> None:
        self._outgoing_mail.tell(act, user, partial(credential_news, news=news, whose=whose))
