"""Price tables: versions that only grow, each in force from its moment on."""

import json
from datetime import datetime, timedelta

import pytest

from headrace.audit.v1 import audit_pb2
from headrace_auth.domain.consumption_fields import ModelPrice, PriceRequest
from headrace_auth.domain.prices import PriceTable
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.directory import (
    ADMIN,
    AUDITOR,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.testing.refusals import refusal, refused
from headrace_common.errors import Reason

DAY = timedelta(days=1)


def request(micros: int = 5, effective_at: datetime | None = None) -> PriceRequest:
    """What one model costs."""
    return PriceRequest("EUR", (ModelPrice("smollm2", micros, 2 * micros),), effective_at)


def in_days(world: Administration, days: int) -> PriceRequest:
    """The same, from a day on."""
    return request(effective_at=world.clock.now() + days * DAY)


async def test_a_table_is_kept_and_told_as_the_next_version(world: Administration) -> None:
    caller = await world.caller(OWNER)
    first = await world.prices.set(caller, request())
    assert first == PriceTable(
        1,
        "EUR",
        {
            "smollm2": {
                "input_micros_per_million_tokens": 5,
                "output_micros_per_million_tokens": 10,
            }
        },
        world.clock.now(),
        OWNER.user_id,
        world.clock.now(),
    )
    world.clock.advance(1)
    second = await world.prices.set(caller, request(6))
    assert second.version == 2
    assert await world.get(PriceTable, 1) == first
    assert await world.operations() == ["price_table.create", "price_table.create"]


async def test_in_force_is_the_highest_version_whose_time_has_come(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for days in (0, 3, 1):
        await world.prices.set(caller, in_days(world, days))
        world.clock.advance(1)
    versions = []
    for _ in range(4):
        versions.append((await world.prices.get(caller, 0)).version)
        world.clock.advance(86_400)
    # The third, set last, stays in force when the time of the second comes.
    assert versions == [1, 3, 3, 3]


async def test_a_table_for_later_is_not_in_force_and_can_be_seen(world: Administration) -> None:
    caller = await world.caller(OWNER)
    await world.prices.set(caller, in_days(world, 1))
    assert await refused(world.prices.get(caller, 0)) is Reason.RESOURCE_NOT_FOUND
    assert (await world.prices.get(caller, 1)).version == 1


async def test_there_is_no_other_version(world: Administration) -> None:
    caller = await world.caller(OWNER)
    error = await refusal(world.prices.get(caller, 0))
    assert error.reason is Reason.RESOURCE_NOT_FOUND
    assert "none are set yet" in error.message
    await world.prices.set(caller, request())
    for version in (2, 2**31 - 1):
        assert await refused(world.prices.get(caller, version)) is Reason.RESOURCE_NOT_FOUND


async def test_a_table_does_not_reach_into_the_past(world: Administration) -> None:
    caller = await world.caller(OWNER)
    error = await refusal(world.prices.set(caller, in_days(world, -1)))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "effective_at")
    await world.prices.set(caller, in_days(world, 0))


@pytest.mark.parametrize("person", [OWNER, ADMIN, MEMBER, AUDITOR, OUTSIDER])
async def test_people_of_all_organisations_see_prices(
    world: Administration, person: Person
) -> None:
    await world.prices.set(await world.caller(OWNER), request())
    assert (await world.prices.get(await world.caller(person), 0)).version == 1


async def test_services_see_none(world: Administration) -> None:
    call = world.prices.get(await world.caller(SERVICE), 0)
    assert await refused(call) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("person", [ADMIN, MEMBER, AUDITOR, SERVICE, OUTSIDER])
async def test_only_the_platforms_owners_set_prices(world: Administration, person: Person) -> None:
    call = world.prices.set(await world.caller(person), request())
    assert await refused(call) is Reason.PERMISSION_DENIED
    assert await world.find(PriceTable) == []


async def test_the_largest_table_is_told_by_its_digest(world: Administration) -> None:
    prices = tuple(ModelPrice(f"{number:03}" + "\u2603" * 197, 10**12, 0) for number in range(500))
    await world.prices.set(await world.caller(OWNER), PriceRequest("EUR", prices))
    [event] = await world.events()
    assert isinstance(event, audit_pb2.AuditEvent)
    assert len(event.change.after_json) <= 16 * 1024
    after = json.loads(event.change.after_json)
    assert (after["version"], set(after["prices"])) == (1, {"bytes", "sha256"})
