"""Two organisations with a few people, limits and budgets, to fill any Store with."""

from dataclasses import dataclass
from datetime import UTC, datetime

from headrace_auth.domain.principal import Budget, BudgetPeriod, Limit, LimitKind, Role, Subject

PASSWORD = "correct horse battery staple"  # noqa: S105 - of people who do not exist
CREATED_AT = datetime(2025, 12, 1, tzinfo=UTC)

ACME = "01900000-0000-7000-8000-00000000000a"
GLOBEX = "01900000-0000-7000-8000-00000000000b"
ACME_TEAM = "01900000-0000-7000-8000-0000000000a1"


@dataclass(frozen=True, slots=True)
class Person:
    """A user; `joined` are organisation, role and team, oldest first."""

    user_id: str
    email: str
    joined: tuple[tuple[str, Role, str | None], ...]


OWNER = Person(
    "01900000-0000-7000-8000-000000000001", "owner@acme.test", ((ACME, Role.OWNER, None),)
)
ADMIN = Person(
    "01900000-0000-7000-8000-000000000002", "admin@acme.test", ((ACME, Role.ADMIN, None),)
)
MEMBER = Person(
    "01900000-0000-7000-8000-000000000003",
    "member@acme.test",
    ((ACME, Role.MEMBER, ACME_TEAM), (GLOBEX, Role.ADMIN, None)),
)
AUDITOR = Person(
    "01900000-0000-7000-8000-000000000004", "auditor@acme.test", ((ACME, Role.AUDITOR, None),)
)
SERVICE = Person(
    "01900000-0000-7000-8000-000000000005", "service@acme.test", ((ACME, Role.SERVICE, None),)
)
OUTSIDER = Person(
    "01900000-0000-7000-8000-000000000006", "owner@globex.test", ((GLOBEX, Role.OWNER, None),)
)
HOMELESS = Person("01900000-0000-7000-8000-000000000007", "nobody@nowhere.test", ())
PEOPLE = (OWNER, ADMIN, MEMBER, AUDITOR, SERVICE, OUTSIDER, HOMELESS)

MEMBER_LIMITS = (
    Limit(LimitKind.REQUESTS_PER_MINUTE, Subject.ORGANIZATION, ACME, 1000),
    Limit(LimitKind.TOKENS_PER_MINUTE, Subject.TEAM, ACME_TEAM, 50_000, "smollm2"),
    Limit(LimitKind.CONCURRENT_REQUESTS, Subject.USER, MEMBER.user_id, 4),
)
"""What limits MEMBER in ACME."""
MEMBER_BUDGETS = (
    Budget(Subject.ORGANIZATION, ACME, 10_000_000, "EUR", BudgetPeriod.MONTH, "Europe/Berlin"),
)
LIMITS = (
    *((ACME, limit) for limit in MEMBER_LIMITS),
    (ACME, Limit(LimitKind.CONCURRENT_REQUESTS, Subject.USER, ADMIN.user_id, 9)),
    # Set by another organisation for the same person: counts only there.
    (GLOBEX, Limit(LimitKind.CONCURRENT_REQUESTS, Subject.USER, MEMBER.user_id, 1)),
)
BUDGETS = (
    *((ACME, budget) for budget in MEMBER_BUDGETS),
    (GLOBEX, Budget(Subject.USER, MEMBER.user_id, 5, "USD", BudgetPeriod.DAY, "UTC")),
)
