"""Everything that is about people's accounts, over any Store, with cheap hashes and kept mail."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.breached_passwords import MemoryBreachedPasswords
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer
from headrace_auth.crypto.passwords import PasswordCost, Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import Audience
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership
from headrace_auth.domain.key_rotation import RotationPolicy
from headrace_auth.domain.links import Links
from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    ADDRESS_POLICY,
    ASKING_POLICY,
    BROWSER_POLICY,
    MAILBOX_POLICY,
)
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.ports import Mailer, Store
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.asking import AskingThrottle
from headrace_auth.use_cases.email_verification import EmailVerification
from headrace_auth.use_cases.letters import Letters
from headrace_auth.use_cases.login import Login
from headrace_auth.use_cases.new_passwords import NewPasswords
from headrace_auth.use_cases.open_sessions import LoggedIn, SessionOpener, SessionPolicy
from headrace_auth.use_cases.own_invitations import OwnInvitations
from headrace_auth.use_cases.own_second_factor import OwnSecondFactor
from headrace_auth.use_cases.own_sessions import OwnSessions
from headrace_auth.use_cases.password_change import PasswordChange, PasswordSetter
from headrace_auth.use_cases.password_reset import PasswordReset
from headrace_auth.use_cases.reauthentication import Reauthentication
from headrace_auth.use_cases.registration import Registration
from headrace_auth.use_cases.resolve import CredentialResolver
from headrace_auth.use_cases.rotate_signing_keys import SigningKeyRotation
from headrace_auth.use_cases.second_factors import SecondFactors
from headrace_auth.use_cases.throttle import LoginThrottle
from headrace_common.testing.clock import FakeClock

HERE = Caller(request_id="r1", source_address="192.0.2.7", user_agent="curl/8")
BREACHED = "leavemealoneplease"
NEW_PASSWORD = "another horse battery staple"  # noqa: S105 - of people who do not exist
SITE = "https://headrace.test"
LINKS = Links(
    verify_email_url=f"{SITE}/verify#{{token}}",
    reset_password_url=f"{SITE}/reset#{{token}}",
    invitation_url=f"{SITE}/invitation#{{token}}",
    log_in_url=f"{SITE}/login",
)
SESSIONS_PER_USER = 8
_COST = PasswordCost(time_cost=1, memory_kib=8, parallelism=1, threads=2, maximum_pending=64)
_ROTATION = RotationPolicy.of(
    algorithm="ES256",
    period=timedelta(days=30),
    lead=timedelta(hours=1),
    token_life=timedelta(minutes=30),
)


@dataclass(frozen=True, slots=True)
class AccountWorld:
    """The use cases and what they leave behind."""

    store: Store
    clock: FakeClock
    step_seconds: float
    mailer: MemoryMailer
    announcer: MemoryRevocationAnnouncer
    passwords: Passwords
    acts: Acts
    new_passwords: NewPasswords
    asking: AskingThrottle
    browser_logins: AskingThrottle
    letters: Letters
    resolver: CredentialResolver
    opener: SessionOpener
    throttle: LoginThrottle
    second_factors: SecondFactors
    login: Login
    reauthentication: Reauthentication
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
        letters = replace(self.letters, mailer=mailer) if mailer else self.letters
        return Registration(
            self.acts, self.new_passwords, self.asking, letters, mode=mode, step_seconds=0
        )

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
    store: Store, clock: FakeClock, *, step_seconds: float = 0
) -> AsyncIterator[AccountWorld]:
    """A world over a store that is empty but for its schema; seeds it."""
    passwords = Passwords(_COST)
    try:
        await seed(store, await passwords.hash(PASSWORD))
        yield await _build(store, clock, passwords, step_seconds)
    finally:
        await passwords.close()


async def _build(
    store: Store, clock: FakeClock, passwords: Passwords, step_seconds: float
) -> AccountWorld:
    announcer, mailer, sealer = MemoryRevocationAnnouncer(), MemoryMailer(), Sealer(b"k" * 32)
    tokens = AccessTokens(Audience(SITE, "headrace"))
    await SigningKeyRotation(store.signing_keys, sealer, tokens, clock, _ROTATION).refresh()
    acts = Acts(store, announcer, clock, EntryEncoder("auth/test"))
    letters = Letters(mailer, LINKS)
    policy = SessionPolicy(1800, 7 * 86_400, 30 * 86_400, SESSIONS_PER_USER)
    opener = SessionOpener(store.principals, tokens, clock, policy)
    throttle = LoginThrottle(acts, ACCOUNT_POLICY, ADDRESS_POLICY)
    second_factors = SecondFactors(sealer, clock, letters)
    login = Login(acts, passwords, throttle, second_factors, opener)
    asking = AskingThrottle(acts, MAILBOX_POLICY, ASKING_POLICY)
    new = NewPasswords(passwords, MemoryBreachedPasswords([BREACHED]), minimum_length=12)
    proof = Reauthentication(acts, login, second_factors)
    setter = PasswordSetter(letters)
    return AccountWorld(
        store=store,
        clock=clock,
        step_seconds=step_seconds,
        mailer=mailer,
        announcer=announcer,
        passwords=passwords,
        acts=acts,
        new_passwords=new,
        asking=asking,
        browser_logins=AskingThrottle(acts, MAILBOX_POLICY, BROWSER_POLICY, doing="browser"),
        letters=letters,
        resolver=CredentialResolver(store, tokens, clock),
        opener=opener,
        throttle=throttle,
        second_factors=second_factors,
        login=login,
        reauthentication=proof,
        sessions=OwnSessions(acts, opener, second_factors),
        verification=EmailVerification(
            acts, login, throttle, asking, letters, step_seconds=step_seconds
        ),
        password_reset=PasswordReset(
            acts, new, asking, throttle, setter, letters, step_seconds=step_seconds
        ),
        password_change=PasswordChange(proof, new, setter, opener),
        second_factor=OwnSecondFactor(acts, proof, second_factors, sealer, letters),
        invitations=OwnInvitations(acts, proof),
    )
