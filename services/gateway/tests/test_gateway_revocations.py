"""Who has ended is asked for again: what ended is refused, what changed goes on as it is now."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.domain.exchange import Activity, Exchange, Outcome
from headrace_gateway.domain.principal import (
    INVOKE_MODELS,
    READ_MODELS,
    Limit,
    LimitKind,
    Principal,
)
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.ports import AccountAnswer, EndedPage
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.revocations import MAXIMUM_PAGES, OVERLAP, POLL_SECONDS, SKEW, Ended
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "one two"}]}
PLACE, PLACE_NOW = "member:user_1:1", "member:user_1:2"
CHANGED = replace(PRINCIPAL, revocation_ids=("test", PLACE_NOW))
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Announced:
    """Revocations that answers one after the other with what the test says, and then for ever."""

    def __init__(self, *answers: list[tuple[str, str]] | HeadraceError, pages: str = "") -> None:
        """`pages` has a letter for each answer that another page follows; a space: none does."""
        self.asked: list[datetime] = []
        self.pages: list[str] = []
        self.exhausted = asyncio.Event()
        self._answers = list(answers)
        self._pages = pages

    async def since(self, moment: datetime, page: str = "") -> EndedPage:
        number = len(self.asked)
        self.asked.append(moment)
        self.pages.append(page)
        if number >= len(self._answers):
            self.exhausted.set()
            return EndedPage([], NOW)
        answer = self._answers[number]
        if isinstance(answer, HeadraceError):
            raise answer
        following = self._pages[number : number + 1].strip()
        return EndedPage(answer, NOW + timedelta(minutes=number + 1), following)


def down() -> HeadraceError:
    return HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "auth does not answer")


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


async def ask(gateway: Gateway) -> int:
    return (await gateway.client.post(CHAT, json=BODY)).status_code


# ---- what has ended, asked for every second ----


@pytest.mark.parametrize("ended", PRINCIPAL.revocation_ids)
async def test_a_principal_has_ended_when_any_of_its_ids_has(ended: str) -> None:
    known = Ended(Announced([("org_1", ended)]), FakeClock(), keep_seconds=600)
    assert not known.has(PRINCIPAL)
    await known.refresh()
    assert known.has(PRINCIPAL)
    assert not known.has(replace(PRINCIPAL, organization_id="org_2"))
    assert not known.has(replace(PRINCIPAL, revocation_ids=("other",)))
    assert not known.has(replace(PRINCIPAL, revocation_ids=()))


async def test_the_first_question_begins_at_the_start_and_each_a_while_before_the_last_answer() -> (
    None
):
    announced, clock = Announced([], []), FakeClock()
    known = Ended(announced, clock, keep_seconds=600)
    start = clock.now() - SKEW
    clock.advance(60)
    for _ in range(3):
        await known.refresh()
    first, second = (NOW + timedelta(minutes=number) - OVERLAP for number in (1, 2))
    assert announced.asked == [start, first, second]


async def test_after_an_outage_everything_since_the_last_answer_is_asked_for() -> None:
    announced = Announced([], down(), [("org_1", "test")])
    known = Ended(announced, FakeClock(), keep_seconds=600)
    await known.refresh()
    with pytest.raises(HeadraceError):
        await known.refresh()
    await known.refresh()
    assert announced.asked[1] == announced.asked[2] != announced.asked[0]
    assert known.has(PRINCIPAL)


async def test_an_end_is_known_as_long_as_any_principal_that_was_known_before_it() -> None:
    clock = FakeClock()
    known = Ended(Announced([("org_1", "test")]), clock, keep_seconds=600)
    await known.refresh()
    clock.advance(599)
    assert known.has(PRINCIPAL)
    clock.advance(2)
    assert not known.has(PRINCIPAL)


async def test_polling_goes_on_after_outages_and_is_fast_enough_for_a_second() -> None:
    assert POLL_SECONDS < 1
    announced = Announced(down(), [("org_1", "test")])
    known = Ended(announced, FakeClock(), keep_seconds=600)
    polling = asyncio.create_task(known.keep_fresh())
    async with asyncio.timeout(10):
        await announced.exhausted.wait()
    polling.cancel()
    await asyncio.wait([polling])
    assert known.has(PRINCIPAL)


async def test_pages_are_read_to_the_last_and_the_next_question_goes_by_the_first() -> None:
    announced = Announced([("org_1", "a")], [("org_1", "b")], [("org_1", "test")], pages="xy")
    known = Ended(announced, FakeClock(), keep_seconds=600)
    assert not await known.refresh()
    assert known.has(PRINCIPAL)
    await known.refresh()
    assert announced.pages == ["", "x", "y", ""]
    assert announced.asked[:3] == announced.asked[:1] * 3
    assert announced.asked[3] == NOW + timedelta(minutes=1) - OVERLAP


async def test_a_page_that_was_not_read_is_asked_for_again() -> None:
    announced = Announced([("org_1", "a")], down(), [("org_1", "test")], [], pages="x")
    known = Ended(announced, FakeClock(), keep_seconds=600)
    with pytest.raises(HeadraceError):
        await known.refresh()
    assert known.has(replace(PRINCIPAL, revocation_ids=("a",)))
    await known.refresh()
    assert known.has(PRINCIPAL)
    await known.refresh()
    assert announced.pages == ["", "x", "x", ""]
    assert announced.asked[3] == NOW + timedelta(minutes=1) - OVERLAP


async def test_a_place_that_auth_does_not_know_is_forgotten_and_all_is_asked_for_again() -> None:
    strange = HeadraceError(Reason.INVALID_FIELD, "page_token: not a token", param="page_token")
    announced = Announced([], strange, [("org_1", "test")], [], pages="x")
    known = Ended(announced, FakeClock(), keep_seconds=600)
    with pytest.raises(HeadraceError):
        await known.refresh()
    await known.refresh()
    assert known.has(PRINCIPAL)
    assert announced.pages == ["", "x", ""]
    assert announced.asked[0] == announced.asked[2]


async def test_very_many_pages_are_read_without_a_pause() -> None:
    pages = MAXIMUM_PAGES + 2
    answers = [[("org_1", f"id{number}")] for number in range(pages)]
    announced = Announced(*answers, pages="x" * pages)
    known = Ended(announced, FakeClock(), keep_seconds=600)
    assert await known.refresh()
    assert len(announced.asked) == MAXIMUM_PAGES
    polling = asyncio.create_task(known.keep_fresh())
    async with asyncio.timeout(POLL_SECONDS / 2):
        await announced.exhausted.wait()
    polling.cancel()
    await asyncio.wait([polling])
    assert len(announced.asked) == pages + 1


# ---- identify: a known principal that has ended is not known ----


async def test_an_ended_principal_is_resolved_again_and_then_known_again(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.accounts.ended.add(("org_1", PLACE))
    await gateway.ended.refresh()
    gateway.accounts.principals[KEY] = CHANGED
    assert [await ask(gateway) for _ in range(3)] == [200] * 3
    assert gateway.accounts.resolutions == 2


async def test_a_credential_that_ended_is_401_though_it_was_known(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.accounts.ended.add(("org_1", "test"))
    del gateway.accounts.principals[KEY]
    assert await ask(gateway) == 200  # nobody has told yet
    await gateway.ended.refresh()
    assert await ask(gateway) == 401


async def test_while_redis_is_down_what_ended_is_401_all_the_same(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.limiter.unavailable = True
    assert await ask(gateway) == 503
    gateway.accounts.ended.add(("org_1", "test"))
    del gateway.accounts.principals[KEY]
    await gateway.ended.refresh()
    assert await ask(gateway) == 401


async def test_an_ended_principal_does_not_go_on_from_memory_while_auth_is_down(
    gateway: Gateway,
) -> None:
    assert await ask(gateway) == 200
    gateway.accounts.ended.add(("org_1", PLACE))
    await gateway.ended.refresh()
    gateway.accounts.unavailable = True
    assert await ask(gateway) == 503
    gateway.accounts.unavailable = False
    gateway.accounts.principals[KEY] = CHANGED
    assert await ask(gateway) == 200


async def test_the_end_of_another_does_not_touch_who_is_known(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.accounts.ended |= {("org_2", PLACE), ("org_1", "member:user_2:1")}
    await gateway.ended.refresh()
    gateway.accounts.unavailable = True
    assert await ask(gateway) == 200


class SlowResolver:
    """Knows at once who it is and tells when its door is open."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.questions = 0
        self.asked = asyncio.Event()
        self.door = asyncio.Event()

    async def resolve(self, credential: str) -> Principal:
        self.questions += 1
        self.asked.set()
        principal = self.principal
        await self.door.wait()
        return principal

    async def resolve_signed(self, signed: SignedRequest) -> Principal:
        raise AssertionError("no signature")

    def verify(self, token: str) -> None:
        raise AssertionError("no token")


async def test_an_answer_from_before_the_end_is_not_taken_for_one_from_after_it() -> None:
    clock, resolver = FakeClock(), SlowResolver(PRINCIPAL)
    identify = Identify(
        resolver,
        resolver,
        clock,
        Ended(Announced(), clock, keep_seconds=600),
        fresh_seconds=30,
        stale_seconds=600,
        maximum_strangers=8,
    )

    def exchange() -> Exchange:
        return Exchange("r1", Activity.COMPLETION, "POST /", "192.0.2.7", KEY, clock.now(), 0.0)

    before = [asyncio.create_task(identify.run(exchange())) for _ in range(3)]
    async with asyncio.timeout(5):
        await resolver.asked.wait()
        resolver.asked.clear()
        resolver.principal = CHANGED
        after = asyncio.create_task(identify.again(exchange()))
        await resolver.asked.wait()
        resolver.door.set()
        assert await asyncio.gather(*before) == [PRINCIPAL] * 3
        assert await after == CHANGED
    assert resolver.questions == 2


# ---- admit: admission's Redis knows at once ----


@pytest.mark.parametrize("ended", PRINCIPAL.revocation_ids)
async def test_what_ended_and_did_not_change_is_401(gateway: Gateway, ended: str) -> None:
    assert await ask(gateway) == 200
    gateway.limiter.revoked.add(("org_1", ended))
    assert await ask(gateway) == 401
    assert gateway.accounts.resolutions == 2
    assert gateway.events.exchanges[-1].outcome is Outcome.REFUSED


async def test_what_auth_no_longer_knows_is_401(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.limiter.revoked.add(("org_1", "test"))
    del gateway.accounts.principals[KEY]
    answer = await gateway.client.post(CHAT, json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_another_organisations_marker_is_not_ones_own(gateway: Gateway) -> None:
    gateway.limiter.revoked.add(("org_2", "test"))
    assert await ask(gateway) == 200
    assert gateway.accounts.resolutions == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"scopes": frozenset({READ_MODELS})}, 403),
        ({"allowed_models": frozenset({"another"})}, 404),
        ({"limits": (Limit(LimitKind.TOKENS_PER_MINUTE, "user:user_1", 1),)}, 429),
        ({"expires_at": datetime(2025, 1, 1, tzinfo=UTC)}, 401),
    ],
)
async def test_what_changed_goes_on_with_the_rights_of_now(
    gateway: Gateway, change: dict[str, Any], status: int
) -> None:
    assert await ask(gateway) == 200
    gateway.limiter.revoked.add(("org_1", PLACE))
    gateway.accounts.principals[KEY] = now = replace(CHANGED, **change)
    assert await ask(gateway) == status
    assert gateway.accounts.resolutions == 2
    if status != 401:
        assert gateway.events.exchanges[-1].principal == now
    if status == 200:
        assert await ask(gateway) == 200
        assert gateway.accounts.resolutions == 2


async def test_who_changed_twice_at_once_is_401_and_not_asked_for_ever(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.limiter.revoked |= {("org_1", PLACE), ("org_1", PLACE_NOW)}
    gateway.accounts.principals[KEY] = CHANGED
    assert await ask(gateway) == 401
    assert gateway.accounts.resolutions == 2


async def test_while_auth_is_down_what_ended_is_503(gateway: Gateway) -> None:
    assert await ask(gateway) == 200
    gateway.limiter.revoked.add(("org_1", PLACE))
    gateway.accounts.unavailable = True
    assert await ask(gateway) == 503


async def test_models_and_keys_ask_again_too(gateway: Gateway) -> None:
    none = AccountAnswer({"api_keys": [], "next_page_token": ""})
    gateway.accounts.answers["ApiKeyService/ListApiKeys"] = none
    paths = ("/v1/models", "/v1/models/echo", "/api/v1/keys")
    assert {(await gateway.client.get(path)).status_code for path in paths} == {200}
    gateway.limiter.revoked.add(("org_1", PLACE))
    assert {(await gateway.client.get(path)).status_code for path in paths} == {401}
    for path in paths:
        gateway.accounts.principals[KEY] = CHANGED
        assert (await gateway.client.get(path)).status_code == 200
        gateway.accounts.principals[KEY] = PRINCIPAL
        gateway.limiter.revoked.add(("org_1", PLACE_NOW))
        assert (await gateway.client.get(path)).status_code == 401
        gateway.limiter.revoked.remove(("org_1", PLACE_NOW))


async def test_a_scope_that_was_lost_is_missed_by_models_too(gateway: Gateway) -> None:
    assert (await gateway.client.get("/v1/models")).status_code == 200
    gateway.limiter.revoked.add(("org_1", PLACE))
    gateway.accounts.principals[KEY] = replace(CHANGED, scopes=frozenset({INVOKE_MODELS}))
    assert (await gateway.client.get("/v1/models")).status_code == 403
