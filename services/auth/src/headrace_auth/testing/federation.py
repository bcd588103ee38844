"""Logins through two identity providers in memory, around the accounts of an AccountWorld."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_auth.adapters.unfinished_logins import MemoryUnfinishedLogins
from headrace_auth.composition.federation import create_federated
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import LinkedIdentity, Membership, User
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.ports import LoginCodes
from headrace_auth.testing.accounts import HERE, AccountWorld
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.settings import SITE
from headrace_auth.use_cases.federation.federated_logins import (
    Begun,
    FederatedLogins,
    Federation,
    Landing,
)
from headrace_auth.use_cases.federation.login_codes import LoginCodeExchange
from headrace_auth.use_cases.federation.own_identities import OwnIdentities
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_common.clock import Clock

PROVIDER, OTHER_PROVIDER = "globodex", "github"
FRONT_END = "https://app.acme.test/welcome?from=login"
OTHER_FRONT_END = "https://other.acme.test/"
VERIFIER = "v" * 43
ADA = ExternalIdentity(PROVIDER, "ada", "ada@new.test", True, "Ada Lovelace")


@dataclass(frozen=True, slots=True)
class FederationWorld:
    """The use cases, and what they leave behind; `provider` and `other` have one person each."""

    accounts: AccountWorld
    provider: MemoryIdentityProvider
    other: MemoryIdentityProvider
    logins: FederatedLogins
    exchange: LoginCodeExchange
    identities: OwnIdentities

    async def start(
        self,
        *,
        by: Caller | None = None,
        verifier: str = VERIFIER,
        password: str = PASSWORD,
        code: str = "",
    ) -> str:
        """The provider's URL for a login, or for somebody who links an identity."""
        begun = Begun(PROVIDER, FRONT_END, s256_challenge(verifier))
        if by is not None:
            return await self.logins.start_link(by, begun, password=password, code=code)
        return await self.logins.start(HERE, begun)

    async def land(self, url: str, identity: ExternalIdentity = ADA) -> Landing:
        """The person agrees at the provider and comes back."""
        code = self.provider.approve(url, identity)
        return await self.logins.complete(HERE, PROVIDER, state_of(url), code=code)

    async def login_code(
        self, identity: ExternalIdentity = ADA, *, by: Caller | None = None
    ) -> str:
        """What the front end gets; raises LookupError if it gets a refusal."""
        landing = await self.land(await self.start(by=by), identity)
        if landing.refusal is not None:
            raise LookupError(landing.refusal)
        return landing.login_code

    async def log_in(self, identity: ExternalIdentity = ADA) -> LoggedIn:
        """The whole way."""
        result = await self.exchange.exchange(HERE, await self.login_code(identity), VERIFIER)
        if isinstance(result, LinkedIdentity):
            raise TypeError("an identity was linked instead")
        return result

    async def link(self, by: Caller, identity: ExternalIdentity = ADA) -> LinkedIdentity:
        """The whole way of somebody who has logged in."""
        code = await self.login_code(identity, by=by)
        result = await self.exchange.exchange(HERE, code, VERIFIER)
        if isinstance(result, LoggedIn):
            raise TypeError("somebody was logged in instead")
        return result

    async def user(self, email: str | None) -> User:
        """The only account with this address."""
        async with self.accounts.store.begin() as transaction:
            [user] = await transaction.of(User).find(email=email)
        return user

    async def change_user(self, user_id: str, **fields: Any) -> None:
        """As an administrator could, or as it was before."""
        async with self.accounts.store.begin() as transaction:
            users = transaction.of(User)
            known = await users.get(user_id)
            if known is None:
                raise LookupError(user_id)
            await users.put(replace(known, **fields))

    async def unlink(
        self,
        by: Caller,
        subject: str,
        *,
        provider: str = PROVIDER,
        password: str = PASSWORD,
        code: str = "",
    ) -> None:
        """Unlink an identity with a proof of who asks."""
        await self.identities.unlink(by, provider, subject, password=password, code=code)

    async def linked(self, user_id: str) -> list[LinkedIdentity]:
        """The identities of an account."""
        async with self.accounts.store.begin() as transaction:
            return await transaction.of(LinkedIdentity).find(user_id=user_id)

    async def places(self, user_id: str) -> list[Membership]:
        """Where a user is a member."""
        async with self.accounts.store.begin() as transaction:
            return await transaction.of(Membership).find(user_id=user_id)

    async def counts(self) -> tuple[int, int]:
        """How many users and links there are: equal before and after what changes nothing."""
        async with self.accounts.store.begin() as transaction:
            users = await transaction.of(User).find()
            return len(users), len(await transaction.of(LinkedIdentity).find())

    async def events(self) -> list[audit_pb2.AuditEvent]:
        """What the audit is told, oldest first."""
        waiting = await self.accounts.store.announcements.undelivered(1000)
        return [audit_pb2.AuditEvent.FromString(event.payload) for event in waiting]

    async def refusals(self) -> list[tuple[str, str]]:
        """Operation and resource of the security events about refused logins."""
        told = [(event.operation, event.resource) for event in await self.events()]
        return [each for each in told if each[0].startswith("federated_login_refused")]


def federation_world(
    accounts: AccountWorld,
    mode: RegistrationMode = RegistrationMode.OPEN,
    codes: LoginCodes | None = None,
) -> FederationWorld:
    """The world around those accounts, where registering follows `mode`."""
    provider, other = MemoryIdentityProvider(), MemoryIdentityProvider()
    federation = federation_of(provider, other, accounts.clock)
    federation = replace(federation, codes=codes or federation.codes)
    federated = create_federated(accounts.registering(mode), federation)
    return FederationWorld(
        accounts, provider, other, federated.logins, federated.exchange, federated.identities
    )


def federation_of(
    provider: MemoryIdentityProvider, other: MemoryIdentityProvider, clock: Clock
) -> Federation:
    """Two providers, and what is kept of logins under way in memory."""
    providers = {PROVIDER: provider, OTHER_PROVIDER: other}
    return Federation(
        providers,
        MemoryUnfinishedLogins(clock),
        MemoryUnfinishedLogins(clock),
        SITE,
        (FRONT_END, OTHER_FRONT_END),
    )


def state_of(url: str) -> str:
    """The state in a provider's URL."""
    return parse_qs(urlsplit(url).query)["state"][0]
