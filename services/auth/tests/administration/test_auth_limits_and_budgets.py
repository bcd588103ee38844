"""Limits and budgets: set, changed, lifted and listed; and whom a change makes known again."""

from dataclasses import replace

from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, Organization
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Subject
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.directory import ACME, ACME_TEAM, ADMIN, AUDITOR, GLOBEX, MEMBER, OWNER
from headrace_auth.testing.refusals import refused
from headrace_auth.testing.suites import make_key
from headrace_auth.use_cases.limits.limits_and_budgets import CapFilter
from headrace_common.errors import Reason

CONCURRENT = LimitKind.CONCURRENT_REQUESTS
KEY = make_key(1)


def limit(
    subject: Subject, subject_id: str = "", amount: int = 7, model: str = "", place: str = ""
) -> LimitRecord:
    """Of concurrent requests."""
    return LimitRecord(place, subject, subject_id, CONCURRENT, model, amount)


def budget(subject: Subject, subject_id: str = "", amount: int = 7) -> BudgetRecord:
    """By day."""
    return BudgetRecord("", subject, subject_id, BudgetPeriod.DAY, amount, "EUR", "UTC")


async def test_a_limit_is_set_changed_and_lifted_each_with_its_event(
    world: Administration,
) -> None:
    caller = await world.caller(ADMIN)
    record = await world.limits.set(caller, limit(Subject.TEAM, ACME_TEAM))
    assert await world.get(LimitRecord, *_key(record)) == record
    changed = await world.limits.set(caller, limit(Subject.TEAM, ACME_TEAM, 8))
    assert await world.get(LimitRecord, *_key(record)) == changed
    # The amount does not name it.
    assert await world.limits.remove(caller, limit(Subject.TEAM, ACME_TEAM, 1)) == changed
    assert await world.get(LimitRecord, *_key(record)) is None
    assert await world.operations() == ["limit.create", "limit.delete", "limit.update"]
    before, after = await world.change("limit.update")
    assert (before["amount"], after["amount"]) == (7, 8)


async def test_a_budget_is_set_changed_and_lifted_each_with_its_event(
    world: Administration,
) -> None:
    caller = await world.caller(ADMIN)
    await world.budgets.set(caller, budget(Subject.USER, MEMBER.user_id))
    await world.budgets.set(caller, budget(Subject.USER, MEMBER.user_id, 0))
    member = await world.store.principals.member(MEMBER.user_id, ACME)
    assert member is not None
    assert 0 in {each.amount_micros for each in member.budgets}
    await world.budgets.remove(caller, budget(Subject.USER, MEMBER.user_id))
    assert await world.operations() == ["budget.create", "budget.delete", "budget.update"]


async def test_what_is_set_already_changes_nothing(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for _ in range(2):
        await world.limits.set(caller, limit(Subject.USER, MEMBER.user_id))
    assert await world.operations() == ["limit.update"]
    assert len(world.announcer.announced) == 1


async def test_a_model_has_limits_of_its_own(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for model in ("", "smollm2"):
        await world.limits.set(caller, limit(Subject.ORGANIZATION, model=model))
    found = await world.find(LimitRecord, subject_id=ACME, kind=CONCURRENT)
    assert {record.model for record in found} == {"", "smollm2"}


async def test_an_organisations_limit_renews_all_of_it(world: Administration) -> None:
    await world.limits.set(await world.caller(OWNER), limit(Subject.ORGANIZATION))
    assert world.announcer.announced == [(ACME, "organization:1")]
    organization = await world.get(Organization, ACME)
    assert organization is not None
    assert organization.version == 2
    member = await world.store.principals.member(ADMIN.user_id, ACME)
    assert member is not None
    assert (member.organization_version, 7 in {each.amount for each in member.limits}) == (2, True)


async def test_a_teams_limit_renews_the_organisation(world: Administration) -> None:
    caller = await world.caller(OWNER)
    await world.limits.set(caller, limit(Subject.TEAM, ACME_TEAM))
    await world.limits.remove(caller, limit(Subject.TEAM, ACME_TEAM))
    assert world.announcer.announced == [(ACME, "organization:1"), (ACME, "organization:2")]


async def test_a_users_limit_renews_the_user(world: Administration) -> None:
    await world.limits.set(await world.caller(OWNER), limit(Subject.USER, MEMBER.user_id))
    assert world.announcer.announced == [(ACME, f"member:{MEMBER.user_id}:1")]
    membership = await world.get(Membership, MEMBER.user_id, ACME)
    assert membership is not None
    assert membership.version == 2
    # That gateways ask again is no change that anybody made.
    assert await world.operations() == ["limit.update"]


async def test_a_keys_limit_does_not_end_the_key(world: Administration) -> None:
    await world.keep(KEY)
    caller = await world.caller(OWNER)
    await world.limits.set(caller, limit(Subject.API_KEY, KEY.api_key_id))
    await world.budgets.set(caller, budget(Subject.API_KEY, KEY.api_key_id))
    assert world.announcer.announced == [
        (ACME, f"key:{KEY.api_key_id}:1"),
        (ACME, f"key:{KEY.api_key_id}:2"),
    ]
    stored = await world.store.principals.api_key(KEY.api_key_id)
    assert stored is not None
    assert [each.amount for each in stored.limits] == [7]
    assert (stored.key.version, stored.member.version) == (3, 1)


async def test_what_nobody_has_set_cannot_be_lifted(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for call in (
        world.limits.remove(caller, limit(Subject.USER, ADMIN.user_id, model="x")),
        world.limits.remove(caller, limit(Subject.USER, "x")),
        world.budgets.remove(caller, budget(Subject.ORGANIZATION)),
    ):
        assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    assert world.announcer.announced == []


async def test_what_is_left_of_a_revoked_key_can_be_lifted(world: Administration) -> None:
    await world.keep(
        replace(KEY, revoked_at=world.clock.now()),
        limit(Subject.API_KEY, KEY.api_key_id, place=ACME),
    )
    caller = await world.caller(OWNER)
    call = world.limits.set(caller, limit(Subject.API_KEY, KEY.api_key_id, 9))
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    await world.limits.remove(caller, limit(Subject.API_KEY, KEY.api_key_id))


async def test_administrators_and_auditors_see_all(world: Administration) -> None:
    for person in (OWNER, ADMIN, AUDITOR):
        page = await world.limits.page(await world.caller(person), CapFilter(), None, 100)
        assert page.caps == await world.find(LimitRecord, organization_id=ACME)
        assert page.next_key is None


async def test_lists_are_narrowed_to_a_kind_of_subject_or_to_one(world: Administration) -> None:
    caller = await world.caller(AUDITOR)
    users = await world.limits.page(caller, CapFilter(Subject.USER), None, 100)
    assert {each.subject_id for each in users.caps} == {MEMBER.user_id, ADMIN.user_id}
    one = await world.limits.page(caller, CapFilter(Subject.USER, ADMIN.user_id), None, 100)
    assert [each.amount for each in one.caps] == [9]
    none = await world.budgets.page(caller, CapFilter(Subject.TEAM), None, 100)
    assert none.caps == []


async def test_pages_of_limits_end(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for number in range(5):
        await world.limits.set(caller, limit(Subject.ORGANIZATION, model=f"model {number}"))
    seen, after = [], None
    for _ in range(10):
        page = await world.limits.page(caller, CapFilter(), after, 2)
        seen += page.caps
        after = page.next_key
        if after is None:
            break
    assert seen == await world.find(LimitRecord, organization_id=ACME)


async def test_members_see_what_applies_to_themselves(world: Administration) -> None:
    caller = await world.caller(MEMBER)
    page = await world.limits.page(caller, CapFilter(), None, 1)
    subjects = {(each.subject_type, each.subject_id) for each in page.caps}
    assert subjects == {
        (Subject.ORGANIZATION, ACME),
        (Subject.TEAM, ACME_TEAM),
        (Subject.USER, MEMBER.user_id),
    }
    for wanted in (CapFilter(Subject.USER, ADMIN.user_id), CapFilter(subject_id=ADMIN.user_id)):
        assert (await world.limits.page(caller, wanted, None, 100)).caps == []
    teams = await world.limits.page(caller, CapFilter(Subject.TEAM), None, 100)
    assert [each.subject_id for each in teams.caps] == [ACME_TEAM]


async def test_members_see_the_limits_of_a_key_of_theirs_that_they_name(
    world: Administration,
) -> None:
    others, elsewhere = make_key(2, made_by=ADMIN.user_id), make_key(3, organization_id=GLOBEX)
    await world.keep(KEY, others, elsewhere)
    for key in (KEY, others, elsewhere):
        await world.keep(limit(Subject.API_KEY, key.api_key_id, place=ACME))
    caller = await world.caller(MEMBER)
    found = [
        (await world.limits.page(caller, CapFilter(Subject.API_KEY, each), None, 9)).caps
        for each in (KEY.api_key_id, others.api_key_id, elsewhere.api_key_id, "x", "")
    ]
    assert [len(caps) for caps in found] == [1, 0, 0, 0, 0]


def _key(record: LimitRecord) -> tuple[object, ...]:
    place = (record.organization_id, record.subject_type, record.subject_id)
    return (*place, record.kind, record.model)
