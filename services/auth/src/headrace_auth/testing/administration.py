"""All of administration over any Store that holds the directory, on a clock that stands still."""

import json
from dataclasses import dataclass, field
from typing import Any, TypeVar

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer
from headrace_auth.composition.administration import create_inviter
from headrace_auth.composition.identity import Identity
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, Team, User
from headrace_auth.domain.principal import CredentialKind, Principal, Role, Scope
from headrace_auth.domain.records import Record
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.ports import Store
from headrace_auth.testing.directory import ACME, CREATED_AT, GLOBEX, Person
from headrace_auth.testing.identity import memory_identity
from headrace_auth.testing.settings import SITE
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.directory.manage_invitations import Invitations
from headrace_auth.use_cases.directory.managed_accounts import ManagedAccounts
from headrace_auth.use_cases.directory.members import Members
from headrace_auth.use_cases.directory.organizations import Organizations
from headrace_auth.use_cases.directory.sending_invitations import Inviter
from headrace_auth.use_cases.directory.teams import Teams
from headrace_auth.use_cases.limits.limits_and_budgets import BUDGET_RIGHTS, LIMIT_RIGHTS, Caps
from headrace_auth.use_cases.limits.prices import Prices
from headrace_auth.use_cases.limits.tiers import Tiers
from headrace_common.testing.clock import FakeClock

R = TypeVar("R", bound=Record)
INVITATION_SECONDS = 7 * 86_400
INVITATIONS_PER_DAY = 12
GLOBEX_TEAM = Team("01900000-0000-7000-8000-0000000000b1", GLOBEX, "team", CREATED_AT)
SECOND_OWNER = Person(
    "01900000-0000-7000-8000-000000000008", "second@acme.test", ((ACME, Role.OWNER, None),)
)


@dataclass(slots=True)
class Administration:
    """The use cases, put together as in the service, and what they leave behind."""

    store: Store
    clock: FakeClock
    announcer: MemoryRevocationAnnouncer = field(default_factory=MemoryRevocationAnnouncer)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    registration: RegistrationMode = RegistrationMode.INVITATION
    identity: Identity = field(init=False)

    def __post_init__(self) -> None:
        self.identity = memory_identity(
            self.store,
            self.clock,
            announcer=self.announcer,
            mailer=self.mailer,
            invitations_per_day=INVITATIONS_PER_DAY,
            registration=self.registration,
            mail_folder="unused",
        )

    @property
    def acts(self) -> Acts:
        return self.identity.acts

    @property
    def inviter(self) -> Inviter:
        return create_inviter(self.identity)

    @property
    def organizations(self) -> Organizations:
        return Organizations(self.acts, self.inviter)

    @property
    def teams(self) -> Teams:
        return Teams(self.acts)

    @property
    def members(self) -> Members:
        return Members(self.acts)

    @property
    def accounts(self) -> ManagedAccounts:
        return ManagedAccounts(self.acts)

    @property
    def invitations(self) -> Invitations:
        return Invitations(self.acts, self.inviter)

    @property
    def limits(self) -> Caps[LimitRecord]:
        return Caps(self.acts, LIMIT_RIGHTS)

    @property
    def budgets(self) -> Caps[BudgetRecord]:
        return Caps(self.acts, BUDGET_RIGHTS)

    @property
    def prices(self) -> Prices:
        return Prices(self.acts)

    @property
    def tiers(self) -> Tiers:
        return Tiers(self.acts)

    async def caller(
        self,
        person: Person,
        organization_id: str = "",
        *,
        scopes: frozenset[Scope] | None = None,
        kind: CredentialKind = CredentialKind.ACCESS_TOKEN,
    ) -> Caller:
        """The person logged in to this organisation, or to the one that it joined first."""
        place = organization_id or person.joined[0][0]
        member = await self.store.principals.member(person.user_id, place)
        if member is None:
            raise LookupError(f"{person.email} is no member")
        allowed = SCOPES_OF_ROLE[member.role]
        principal = Principal(
            "token", kind, member, allowed if scopes is None else scopes, member.limits, ()
        )
        return Caller(request_id="r1", source_address="192.0.2.7", principal=principal)

    async def keep(self, *records: Record) -> None:
        """Add records, of which nothing is told."""
        async with self.store.begin() as transaction:
            for record in records:
                await transaction.of(type(record)).add(record)

    async def add_person(self, person: Person) -> None:
        """A user who has proven its address, in all of its organisations."""
        await self.keep(
            User(person.user_id, person.email, CREATED_AT, email_verified_at=CREATED_AT),
            *(
                Membership(person.user_id, place, role, CREATED_AT, team_id)
                for place, role, team_id in person.joined
            ),
        )

    async def get(self, record_type: type[R], *key: Any) -> R | None:
        """The record with this key."""
        async with self.store.begin() as transaction:
            return await transaction.of(record_type).get(*key)

    async def find(self, record_type: type[R], **equals: Any) -> list[R]:
        """All records with these values."""
        async with self.store.begin() as transaction:
            return await transaction.of(record_type).find(**equals)

    async def events(self) -> list[audit_pb2.AuditEvent]:
        """What the audit is told, in order."""
        waiting = await self.store.announcements.undelivered(10_000)
        return [audit_pb2.AuditEvent.FromString(event.payload) for event in waiting]

    async def operations(self) -> list[str]:
        """What the audit is told was done."""
        return sorted(event.operation for event in await self.events())

    async def change(self, operation: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Before and after in the only event of this operation; empty for nothing."""
        [event] = [each for each in await self.events() if each.operation == operation]
        before, after = event.change.before_json, event.change.after_json
        return json.loads(before or "{}"), json.loads(after or "{}")

    def invitation_token(self) -> str:
        """The token in the mail that was sent last."""
        text = self.mailer.sent[-1].text
        return text.partition(f"{SITE}/invitation#")[2].split()[0]
