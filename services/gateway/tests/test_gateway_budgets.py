"""Budgets: what is reserved, refused, extended, cut, given back and charged."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.admission import Settlement
from headrace_gateway.domain.budgets import (
    Period,
    cost_micros,
    most_prompt_tokens,
    period_of,
)
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Message,
    ModelVersion,
    Started,
    ToolCall,
)
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.domain.principal import (
    Budget,
    BudgetPeriod,
    ModelPrice,
    PriceTable,
    Principal,
)
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.reservation_suite import costing

CHAT = "/v1/chat/completions"
PRICE = ModelPrice("echo", 1_000_000, 10_000_000)
"""1 and 10 millionths a token."""
PRICES = PriceTable(1, "EUR", (PRICE,))
PROMPT = 64 + 3
"""Reserved for a prompt of three letters."""


def _budget(micros: int, **fields: Any) -> Budget:
    budget = Budget("organization:org_1", micros, "EUR", BudgetPeriod.DAY, "UTC")
    return replace(budget, **fields)


def _with_budget(micros: int, **fields: Any) -> Principal:
    return replace(PRINCIPAL, prices=PRICES, budgets=(_budget(micros, **fields),))


def _chat(text: str = "abc", **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


def _become(gateway: Gateway, principal: Principal) -> None:
    """And forget who the key was until now."""
    gateway.accounts.principals[KEY] = principal
    gateway.clock.advance(60)


async def _left(gateway: Gateway, micros: int) -> int:
    """What is neither spent nor reserved of today's budget."""
    today = period_of(BudgetPeriod.DAY, "UTC", gateway.clock.now())
    looking = replace(costing(0, "looking", _budget(micros), period=today), organization_id="org_1")
    admission = await gateway.limiter.admit(PRINCIPAL, looking)
    await gateway.limiter.settle(Settlement(looking, admission, 0, 0))
    return admission.budget_states[0].remaining_micros


class Talking(EchoTarget):
    """Says a word a delta for as long as it is listened to, unless it is told how many."""

    def __init__(self, prompt_tokens: int = 3, words: int = 100_000) -> None:
        super().__init__()
        self._prompt_tokens = prompt_tokens
        self._words = words
        self.said = 0

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        model = ModelVersion("echo", "v1")
        yield Started(model, queue_seconds=0.0, prompt_tokens=self._prompt_tokens)
        for _ in range(self._words):
            self.said += 1
            yield Delta(0, "word ", tokens=1)
        raise HeadraceError(Reason.ENGINE_FAILED, "The engine failed.")


async def test_what_an_answer_costs_is_spent_and_nothing_stays_reserved(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = _with_budget(100_000)
    response = await gateway.client.post(CHAT, json=_chat("one two", max_tokens=50))
    assert response.status_code == 200
    [exchange] = gateway.events.exchanges
    assert exchange.cost_micros == 2 * 1 + 2 * 10
    assert await _left(gateway, 100_000) == 100_000 - 22


async def test_the_worst_case_must_fit_before_anything_is_done(gateway: Gateway) -> None:
    worst = PROMPT + 2 * 50 * 10
    gateway.accounts.principals[KEY] = _with_budget(worst - 1)
    refused = await gateway.client.post(CHAT, json=_chat(max_tokens=50, n=2))
    error = refused.json()["error"]
    assert refused.status_code == 429
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert error["message"] == (
        "This request may cost up to 0.001067 EUR, and 0.001066 EUR is left of this "
        "organization's budget of 0.001066 EUR per day, which begins anew at 2026-01-02T00:00Z. "
        "With a smaller max_tokens it may cost less."
    )
    assert refused.headers["retry-after"] == str(24 * 60 * 60)
    assert (await gateway.client.post(CHAT, json=_chat(max_tokens=49, n=2))).status_code == 200


async def test_a_new_day_has_a_new_budget(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = _with_budget(PROMPT + 50 * 10)
    statuses = []
    for _ in range(2):
        for _ in range(2):
            response = await gateway.client.post(CHAT, json=_chat(max_tokens=50))
            statuses.append(response.status_code)
        gateway.clock.advance(24 * 60 * 60)
    assert statuses == [200, 429, 200, 429]


async def test_an_open_answer_reserves_more_as_it_grows_and_is_cut_where_money_ends() -> None:
    target = Talking()
    async with running_gateway(target) as gateway:
        gateway.accounts.principals[KEY] = _with_budget(10_003)
        response = await gateway.client.post(CHAT, json=_chat(temperature=0))
        body = response.json()
        assert response.status_code == 200
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["headrace"] == {"cut_by": "budget_exhausted"}
        assert body["usage"]["completion_tokens"] == target.said
        [exchange] = gateway.events.exchanges
        assert (exchange.outcome, exchange.cut_by) == (Outcome.SUCCEEDED, Reason.BUDGET_EXHAUSTED)
        assert exchange.finish_reasons == ("length",)
        # The bound: one event of the answer beyond what could be reserved.
        assert exchange.cost_micros == 10_003 + 10
        assert await _left(gateway, 10_003) == 0
        assert gateway.answers.answers == {}


async def test_a_stream_that_is_cut_says_so_in_its_last_chunk() -> None:
    async with running_gateway(Talking()) as gateway:
        gateway.accounts.principals[KEY] = _with_budget(5_000)
        body = _chat(stream=True, stream_options={"include_usage": True})
        response = await gateway.client.post(CHAT, json=body)
    *_, ending, usage, done = response.text.strip().split("\n\n")
    assert done == "data: [DONE]"
    assert json.loads(ending[6:])["choices"][0]["finish_reason"] == "length"
    assert json.loads(usage[6:])["headrace"] == {"cut_by": "budget_exhausted"}


async def test_a_prompt_of_more_tokens_than_bytes_is_paid_and_ends_the_answer() -> None:
    target = Talking(prompt_tokens=100_000)
    async with running_gateway(target) as gateway:
        gateway.accounts.principals[KEY] = _with_budget(5_000)
        response = await gateway.client.post(CHAT, json=_chat(max_tokens=10))
        assert response.json()["choices"][0]["finish_reason"] == "length"
        assert target.said == 0
        assert gateway.events.exchanges[0].cost_micros == 100_000


async def test_while_more_cannot_be_reserved_an_open_answer_ends_with_the_reason() -> None:
    class Losing(Talking):
        """The limiter is gone once it has said 200 words."""

        limiter: FakeLimiter

        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            async for event in super().generate(request_id, tenant, request):
                yield event
                self.limiter.unavailable = self.said > 200

    target = Losing()
    async with running_gateway(target) as gateway:
        target.limiter = gateway.limiter
        gateway.accounts.principals[KEY] = _with_budget(1_000_000)
        body = (await gateway.client.post(CHAT, json=_chat())).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["headrace"] == {"cut_by": "dependency_unavailable"}
    assert 256 <= target.said <= 264  # what was reserved at first


async def test_what_failed_is_paid_as_far_as_it_went() -> None:
    async with running_gateway(Talking(words=5)) as gateway:
        gateway.accounts.principals[KEY] = _with_budget(100_000)
        response = await gateway.client.post(CHAT, json=_chat())
        assert response.status_code == 500
        assert await _left(gateway, 100_000) == 100_000 - 3 - 5 * 10


async def test_an_answer_from_the_cache_costs_a_request_but_no_money(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = _with_budget(100_000)
    for _ in range(2):
        response = await gateway.client.post(CHAT, json=_chat(temperature=0))
    assert response.headers["x-headrace-cache"] == "hit"
    assert await _left(gateway, 100_000) == 100_000 - 1 - 10
    assert [exchange.cost_micros for exchange in gateway.events.exchanges] == [11, 0]
    remaining = int(response.headers["x-ratelimit-remaining-requests"])
    assert remaining == int(response.headers["x-ratelimit-limit-requests"]) - 2


async def test_embeddings_are_paid_by_what_was_read(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = _with_budget(1_000)
    body = {"model": "echo", "input": ["one two three", "four"]}
    assert (await gateway.client.post("/v1/embeddings", json=body)).status_code == 200
    assert await _left(gateway, 1_000) == 1_000 - 4


@pytest.mark.parametrize(
    "prices", [None, PriceTable(1, "EUR", ()), replace(PRICES, currency="USD")]
)
async def test_a_budget_on_a_model_without_a_price_refuses(
    gateway: Gateway, prices: PriceTable | None
) -> None:
    gateway.accounts.principals[KEY] = replace(_with_budget(1_000), prices=prices)
    refused = await gateway.client.post(CHAT, json=_chat())
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_priced")
    assert refused.json()["error"]["param"] == "model"
    unknown = await gateway.client.post(CHAT, json=_chat() | {"model": "none"})
    assert unknown.status_code == 404


async def test_what_costs_nothing_passes_an_empty_budget(gateway: Gateway) -> None:
    free = PriceTable(1, "EUR", (ModelPrice("echo", 0, 0),))
    gateway.accounts.principals[KEY] = replace(_with_budget(0), prices=free)
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    _become(gateway, _with_budget(0))
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 429


async def test_a_budget_of_another_model_and_lists_of_models_are_not_touched(
    gateway: Gateway,
) -> None:
    gateway.accounts.principals[KEY] = replace(_with_budget(0, model="other"), prices=None)
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    _become(gateway, replace(_with_budget(0), prices=None))
    assert (await gateway.client.get("/v1/models")).status_code == 200


async def test_a_time_zone_that_is_not_known_here_refuses_for_now(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = _with_budget(10**9, time_zone="Mars/Olympus_Mons")
    refused = await gateway.client.post(CHAT, json=_chat())
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_serving")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "zone", "now", "start", "end"),
    [
        ("day", "UTC", "2026-03-01T12:00", "2026-03-01T00:00", "2026-03-02T00:00"),
        # 23 and 25 hours long
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("week", "Asia/Shanghai", "2026-11-22T15:59", "2026-11-15T16:00", "2026-11-22T16:00"),
        ("week", "Asia/Shanghai", "2026-11-22T16:00", "2026-11-22T16:00", "2026-11-29T16:00"),
        ("month", "UTC", "2028-02-29T23:59", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("month", "America/New_York", "2027-01-01T04:59", "2026-12-01T05:00", "2027-01-01T05:00"),
        # No midnight on the day that summer begins, and two on the day before winter does.
        ("day", "America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00", "2018-11-05T02:00"),
        ("day", "America/Sao_Paulo", "2018-02-18T02:30", "2018-02-17T02:00", "2018-02-18T03:00"),
    ],
)
def test_periods_begin_at_midnight_where_the_time_zone_is(
    kind: str, zone: str, now: str, start: str, end: str
) -> None:
    expected = Period(int(_moment(start).timestamp()), int(_moment(end).timestamp()))
    assert period_of(BudgetPeriod(kind), zone, _moment(now)) == expected


def test_a_started_millionth_counts_as_one() -> None:
    price = ModelPrice("m", 100_000, 250_000)
    assert [cost_micros(price, *used) for used in ((0, 0), (1, 0), (10, 4), (10, 5))] == [
        0,
        1,
        2,
        3,
    ]
    assert cost_micros(None, 10**6, 10**6) == 0


def test_no_prompt_has_more_tokens_than_bytes_and_what_templates_add() -> None:
    assert most_prompt_tokens(["abc", "\u00fc", "\N{GRINNING FACE}", "\ud800"]) == 4 * 64 + 12


def test_escapes_that_an_engine_may_read_are_reserved_as_they_are_written() -> None:
    call = ToolCall("c", "f", '{"a": "' + 100 * "\\u0041" + '"}')
    request = CompletionRequest("echo", (Message("assistant", "", tool_calls=(call,)),))
    assert most_prompt_tokens(request.written()) == 4 * 64 + 2 + len(call.arguments)
