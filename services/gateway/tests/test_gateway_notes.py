"""What a killed gateway would leave of a request: noted before, while and after it is answered."""

from dataclasses import replace
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.admission import Settlement
from headrace_gateway.domain.completion import CompletionRequest, Delta, Events
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.exchange import Exchange, Outcome
from headrace_gateway.domain.principal import Budget, BudgetPeriod, ModelPrice, PriceTable
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, running_gateway
from headrace_gateway.testing.limiter import FakeLimiter

CHAT = "/v1/chat/completions"
BUDGETED = replace(
    PRINCIPAL,
    prices=PriceTable(1, "EUR", (ModelPrice("echo", 1_000_000, 10_000_000),)),
    budgets=(Budget("organization:org_1", 10**9, "EUR", BudgetPeriod.DAY, "UTC"),),
)


def _chat(words: int, **fields: Any) -> dict[str, Any]:
    text = " ".join(["word"] * words)
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}


class Slow(EchoTarget):
    """Says a word in 0.4 seconds."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        async for event in super().generate(request_id, tenant, request):
            if isinstance(event, Delta):
                self._clock.advance(0.4)
            yield event


async def test_what_an_answer_has_used_is_noted_every_second() -> None:
    clock = FakeClock()
    async with running_gateway(Slow(clock), clock=clock) as gateway:
        assert (await gateway.client.post(CHAT, json=_chat(7))).status_code == 200
        notes = gateway.events.notes
    assert [note.completion_tokens for note in notes] == [0, 3, 6]
    assert [note.prompt_tokens for note in notes] == [0, 7, 7]
    assert {note.outcome for note in notes} == {None}


class Watching(FakeLimiter):
    """Knows what had been noted when it was asked to settle."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.notes: list[Exchange] = []
        self.noted: list[tuple[Outcome | None, int]] = []

    async def settle(self, settlement: Settlement) -> None:
        self.noted += [(note.outcome, note.cost_micros) for note in self.notes]
        assert self.noted[-1][1] == settlement.cost_micros
        await super().settle(settlement)


async def test_what_a_budget_pays_is_noted_before_it_is_settled() -> None:
    clock = FakeClock()
    limiter = Watching(clock)
    async with running_gateway(clock=clock, limiter=limiter) as gateway:
        gateway.accounts.principals[KEY] = BUDGETED
        limiter.notes = gateway.events.notes
        assert (await gateway.client.post(CHAT, json=_chat(2))).status_code == 200
    assert limiter.noted == [(None, 0), (Outcome.SUCCEEDED, 2 * 1 + 2 * 10)]


async def test_what_no_budget_pays_is_noted_once() -> None:
    async with running_gateway() as gateway:
        assert (await gateway.client.post(CHAT, json=_chat(2))).status_code == 200
        assert len(gateway.events.notes) == 1


async def test_what_was_refused_before_any_work_is_not_noted() -> None:
    async with running_gateway() as gateway:
        gateway.accounts.principals[KEY] = BUDGETED
        refused = await gateway.client.post(CHAT, json=_chat(2) | {"model": "none"})
        assert refused.status_code == 404
        assert gateway.events.notes == []


class Refusing(EchoTarget):
    """Refuses before it works."""

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        raise HeadraceError(Reason.QUEUE_FULL, "The queue is full.")


@pytest.mark.parametrize(
    ("target", "noted"), [(EchoTarget(), [8, 3]), (Refusing(), [8, 0])], ids=["made", "refused"]
)
async def test_texts_are_noted_by_an_estimate_until_it_is_known_what_they_took(
    target: EchoTarget, noted: list[int]
) -> None:
    async with running_gateway(target) as gateway:
        gateway.accounts.principals[KEY] = BUDGETED
        body = {"model": "echo", "input": "one two three"}
        await gateway.client.post("/v1/embeddings", json=body)
        assert [note.cost_micros for note in gateway.events.notes] == noted


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, _chat(1, user="customer 7")),
        (CHAT, _chat(1, safety_identifier="customer 7")),
        (CHAT, _chat(1, user="customer 7", safety_identifier="somebody else")),
        ("/v1/completions", {"model": "echo", "prompt": "word", "user": "customer 7"}),
        ("/v1/embeddings", {"model": "echo", "input": "word", "user": "customer 7"}),
    ],
)
async def test_whom_a_request_is_for_is_recorded(path: str, body: dict[str, Any]) -> None:
    async with running_gateway() as gateway:
        assert (await gateway.client.post(path, json=body)).status_code == 200
        [exchange] = gateway.events.exchanges
    assert exchange.end_user == "customer 7"


async def test_nobody_need_be_told() -> None:
    async with running_gateway() as gateway:
        assert (await gateway.client.post(CHAT, json=_chat(1))).status_code == 200
        assert gateway.events.exchanges[0].end_user == ""
