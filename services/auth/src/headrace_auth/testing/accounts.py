"""Everything that is about people's accounts, over any Store, with cheap hashes and kept mail."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from headrace_auth.adapters.breached_passwords import MemoryBreachedPasswords
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer
from headrace_auth.composition.accounts import (
    create_accounts,
    create_new_passwords,
    create_own_sessions,
)
from headrace_auth.composition.identity import Identity, create_rotation
from headrace_auth.crypto.passwords import PasswordCost, Passwords
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.ports import Mailer, Store
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.identity import memory_identity
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.accounts.email_verification import EmailVerification
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.accounts.own_second_factor import OwnSecondFactor
from headrace_auth.use_cases.accounts.password_change import PasswordChange
from headrace_auth.use_cases.accounts.password_reset import PasswordReset
from headrace_auth.use_cases.accounts.registration import Registration
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.directory.taking_invitations import OwnInvitations
from headrace_auth.use_cases.even_time import EvenTime
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_auth.use_cases.sessions.own_sessions import OwnSessions
from headrace_common.testing.clock import FakeClock

HERE = Caller(request_id="r1", source_address="192.0.2.7", user_agent="curl/8")
BREACHED = "leavemealoneplease"
NEW_PASSWORD = "another horse battery staple"  # noqa: S105 - of people who do not exist
SESSIONS_PER_USER = 8
_COST = PasswordCost(time_cost=1, memory_kib=8, parallelism=1, threads=2, maximum_pending=64)


@dataclass(frozen=True, slots=True)
class AccountWorld:
    """The use cases, put together as in the service, and what they leave behind."""

    identity: Identity
    new_passwords: NewPasswords
    even_time: EvenTime
    store: Store
    clock: FakeClock
    mailer: MemoryMailer
    announcer: MemoryRevocationAnnouncer
    acts: Acts
    resolver: CredentialResolver
    login: Login
    sessions: OwnSessions
    verification: EmailVerification
    password_reset: PasswordReset
    password_change: PasswordChange
    second_factor: OwnSecondFactor
    invitations: OwnInvitations

    def registration(
        self, mode: RegistrationMode = RegistrationMode.OPEN, mailer: Mailer | None = None
    ) -> Registration:
        """Registering by this rule, with mail to somewhere else if told."""
        identity = self.registering(mode)
        if mailer is not None:
            identity = replace(
                identity, outgoing_mail=replace(identity.outgoing_mail, mailer=mailer)
            )
        accounts = create_accounts(identity, self.new_passwords, self.even_time)
        return accounts.registration

    def registering(self, mode: RegistrationMode) -> Identity:
        """What the use cases are put together from, where this rule says who may register."""
        settings = self.identity.settings.model_copy(update={"registration": mode})
        return replace(self.identity, settings=settings)

    async def log_in(self, email: str, password: str = PASSWORD, code: str = "") -> Caller:
        """A person who has logged in, as its further calls come."""
        return await self.caller(await self.login.log_in(HERE, email, password, code=code))

    async def caller(self, result: LoggedIn) -> Caller:
        principal = await self.resolver.resolve(result.access_token)
        return replace(HERE, principal=principal, credential=result.access_token)

    async def accept(
        self, caller: Caller, token: str, password: str = PASSWORD, code: str = ""
    ) -> Membership:
        """Take an invitation with a proof of who asks."""
        return await self.invitations.accept(caller, token, password=password, code=code)

    def token(self, number: int = -1) -> str:
        """The token in a mail, the last one unless told."""
        found = re.search(r"#(\S+)$", self.mailer.sent[number].text, re.M)
        if found is None:
            raise LookupError("no token in this mail")
        return found.group(1)

    def subjects(self, to: str) -> list[str]:
        """The subjects of what was sent to an address."""
        return [mail.subject for mail in self.mailer.sent if mail.to == to]


@asynccontextmanager
async def account_world(
    store: Store,
    clock: FakeClock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[AccountWorld]:
    """A world over a store that is empty but for its schema; seeds it.

    `sleep` is how answers are made to take even time: on a clock that stands still, none.
    """
    passwords = Passwords(_COST)
    try:
        await seed(store, await passwords.hash(PASSWORD))
        yield await _build(store, clock, passwords, EvenTime(clock, sleep))
    finally:
        await passwords.close()


async def _build(
    store: Store, clock: FakeClock, passwords: Passwords, even_time: EvenTime
) -> AccountWorld:
    announcer, mailer = MemoryRevocationAnnouncer(), MemoryMailer()
    identity = memory_identity(
        store,
        clock,
        passwords=passwords,
        announcer=announcer,
        mailer=mailer,
        maximum_sessions_per_user=SESSIONS_PER_USER,
    )
    await create_rotation(identity).refresh()
    new_passwords = create_new_passwords(identity, MemoryBreachedPasswords([BREACHED]))
    accounts = create_accounts(identity, new_passwords, even_time)
    return AccountWorld(
        identity=identity,
        new_passwords=new_passwords,
        even_time=even_time,
        store=store,
        clock=clock,
        mailer=mailer,
        announcer=announcer,
        acts=identity.acts,
        resolver=identity.resolver,
        login=identity.login,
        sessions=create_own_sessions(identity),
        verification=accounts.verification,
        password_reset=accounts.password_reset,
        password_change=accounts.password_change,
        second_factor=accounts.second_factor,
        invitations=accounts.invitations,
    )
