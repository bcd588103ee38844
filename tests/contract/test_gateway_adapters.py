"""The gateway's ways to cache and audit against the real services."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from prometheus_client import CollectorRegistry

from headrace.audit.v1 import audit_pb2
from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.app import build as build_audit
from headrace_audit.domain import events
from headrace_cache.adapters.memory import MemoryEntryStore
from headrace_cache.app import build as build_cache
from headrace_cache.settings import CacheSettings
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_common.runtime import Runtime
from headrace_common.spool import Policy, Spool, start_spool
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.answer_codec import FORMAT
from headrace_gateway.adapters.audit_events import AuditClient, SpoolEventLog
from headrace_gateway.adapters.cache_grpc import GrpcAnswerStore
from headrace_gateway.domain.completion import (
    Answer,
    Choice,
    CompletionRequest,
    ModelVersion,
    Sampling,
    TokenLogprob,
)
from headrace_gateway.domain.exchange import Activity, Exchange, Outcome
from headrace_gateway.domain.fingerprint import request_digest
from headrace_gateway.domain.principal import ModelPrice, PriceTable
from headrace_gateway.http.errors import status_of
from headrace_gateway.ports import AnswerKey
from headrace_gateway.stages.look_up import LookUp
from headrace_gateway.testing.gateway import PRINCIPAL
from headrace_gateway.testing.reservation_suite import costing

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
GREEDY = CompletionRequest("echo", "Hello", Sampling(temperature=0))
KEY = AnswerKey("org_1", "echo", "v1", "p1", request_digest(GREEDY))
RIVAL = TokenLogprob("b", -1.5, b"b")
ANSWER = Answer(
    ModelVersion("echo", "v1"),
    (
        Choice("\N{GRINNING FACE}", "stop", (TokenLogprob("\ufffd", -0.1, b"\xf0\x9f", (RIVAL,)),)),
        Choice("", "length"),
    ),
    prompt_tokens=3,
    completion_tokens=9,
)
PRICES = PriceTable(7, "EUR", (ModelPrice("echo", 1_000_000, 10_000_000),))
POLICY = Policy(first_pause_seconds=0.001, longest_pause_seconds=0.002)


@pytest.fixture
async def cache() -> AsyncIterator[grpc.aio.Channel]:
    settings = CacheSettings(redis_url="unix:///unused", maximum_payload_bytes=1000)
    store = MemoryEntryStore(FakeClock())
    servicer = build_cache(settings, store=store, registry=CollectorRegistry())
    async with serving([servicer.registration()]) as channel:
        yield channel


@pytest.fixture
def answers(cache: grpc.aio.Channel) -> GrpcAnswerStore:
    return GrpcAnswerStore(cache, look_up_seconds=5, store_seconds=5)


@pytest.fixture
def stored() -> MemoryEventStore:
    """What arrived at the audit."""
    return MemoryEventStore()


@pytest.fixture
async def audit(stored: MemoryEventStore) -> AsyncIterator[AuditClient]:
    servicer = build_audit(store=stored, registry=CollectorRegistry(), clock=FakeClock())
    async with serving([servicer.registration()]) as channel:
        yield AuditClient(channel)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, clock=SystemClock(), registry=CollectorRegistry())


@pytest.fixture
def event_log(spool: Spool) -> SpoolEventLog:
    return SpoolEventLog(spool, "gateway/gw-1", status_of)


async def deliver(spool: Spool, send: Callable[[list[bytes]], Awaitable[None]]) -> None:
    """Run the spool until everything in it has been settled; it is closed then."""
    runtime = Runtime(step_seconds=5)
    start_spool(runtime, spool, send, policy=POLICY)
    try:
        async with asyncio.timeout(5):
            while spool.backlog.records:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.005)
    finally:
        await runtime.close()
    assert not runtime.failed


def exchange(activity: Activity = Activity.COMPLETION) -> Exchange:
    return Exchange(
        request_id=uuid7(NOW),
        activity=activity,
        operation="POST /v1/chat/completions",
        source_address="192.0.2.7",
        credential="hr_secret",
        occurred_at=NOW,
        started=100.0,
        principal=PRINCIPAL,
    )


async def test_an_answer_comes_back_as_it_was_stored(answers: GrpcAnswerStore) -> None:
    assert await answers.look_up(KEY) is None
    await answers.store(KEY, ANSWER)
    assert await answers.look_up(KEY) == ANSWER


async def test_a_gateway_that_is_late_itself_does_not_blame_the_cache() -> None:
    judged = asyncio.Event()

    class Store(MemoryEntryStore):
        async def get(self, name: str) -> bytes | None:
            await judged.wait()
            return await super().get(name)

    def late() -> float:
        judged.set()
        return 1.0

    settings = CacheSettings(redis_url="unix:///unused", maximum_payload_bytes=1000)
    servicer = build_cache(settings, store=Store(FakeClock()), registry=CollectorRegistry())
    async with serving([servicer.registration()]) as channel:
        patient = GrpcAnswerStore(channel, look_up_seconds=0.2, store_seconds=5, lateness=late)
        await patient.store(KEY, ANSWER)
        assert await patient.look_up(KEY) == ANSWER


@pytest.mark.parametrize(
    "part",
    ["organization_id", "model", "model_version", "guard_policy_version", "request_digest"],
)
async def test_every_part_of_the_key_counts(answers: GrpcAnswerStore, part: str) -> None:
    await answers.store(KEY, ANSWER)
    other: Any = b"\x07" * 32 if part == "request_digest" else "other"
    assert await answers.look_up(replace(KEY, **{part: other})) is None


@pytest.mark.parametrize("payload", [b"\xff", FORMAT + b"{}", FORMAT + b'{"model": 1'])
async def test_an_unreadable_answer_is_skipped(
    cache: grpc.aio.Channel, answers: GrpcAnswerStore, payload: bytes
) -> None:
    stub = cache_pb2_grpc.CacheServiceStub(cache)
    key = cache_pb2.CacheKey(
        organization_id=KEY.organization_id,
        model=KEY.model,
        model_version=KEY.model_version,
        guard_policy_version=KEY.guard_policy_version,
        request_digest=KEY.request_digest,
    )
    answer = cache_pb2.CachedAnswer(payload=payload)
    await stub.Store(cache_pb2.StoreRequest(key=key, answer=answer), timeout=5)
    with pytest.raises(HeadraceError) as caught:
        await answers.look_up(KEY)
    assert caught.value.reason is Reason.INTERNAL
    told = exchange()
    told.model_version, told.guard_policy_version = "v1", "p1"
    assert await LookUp(answers).run(told, PRINCIPAL, GREEDY) is None
    assert told.cache_status == "bypass"


async def test_an_answer_too_large_for_the_cache_is_told_and_not_kept(
    answers: GrpcAnswerStore,
) -> None:
    large = replace(ANSWER, choices=(Choice("x" * 1000, "stop"),))
    with pytest.raises(HeadraceError) as caught:
        await answers.store(KEY, large)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert await answers.look_up(KEY) is None


TODAY = datetime.fromtimestamp(costing(0, "r").budget_charges[0].period.start, UTC)
ECHOED = events.ModelUse(
    model="echo",
    model_version="v1",
    guard_policy_version="p1",
    guard_decisions=("mask:email",),
    cache_status="miss",
    prompt_tokens=3,
    completion_tokens=9,
    finish_reasons=("stop", "length"),
    total_time=timedelta(seconds=1.5),
    time_to_first_token=timedelta(seconds=0.25),
    queue_time=timedelta(seconds=0.125),
    streamed=True,
    served_model="echo-2",
    cohort="canary",
    end_user="u" * 512,
    cost=events.Cost("EUR", 93, 7, (events.ChargedBudget("team:t1", "", "day", TODAY),)),
)


async def test_a_completion_arrives_with_every_field(
    spool: Spool, event_log: SpoolEventLog, audit: AuditClient, stored: MemoryEventStore
) -> None:
    told = exchange()
    told.resource, told.model, told.model_version = "model:echo", "echo", "v1"
    told.guard_policy_version, told.guard_decisions = "p1", ["mask:email"]
    told.cache_status, told.finish_reasons, told.streamed = "miss", ("stop", "length"), True
    told.prompt_tokens, told.completion_tokens = 3, 9
    told.first_token_seconds, told.queue_seconds = 0.25, 0.125
    told.served_model, told.cohort, told.end_user = "echo-2", "canary", "u" * 600
    told.price, told.demand = PRICES.price_of("echo"), costing(1000, told.request_id)
    told.principal = replace(PRINCIPAL, prices=PRICES)
    told.succeed()
    event_log.open().record(told, 1.5)
    await deliver(spool, audit.send)
    assert stored.events == (
        events.Event(
            event_id=UUID(told.request_id),
            kind=events.EventKind.COMPLETION,
            occurred_at=NOW,
            writer="gateway/gw-1",
            request_id=told.request_id,
            actor=events.Actor("user_1", "org_1", "test"),
            source_address="192.0.2.7",
            operation="POST /v1/chat/completions",
            outcome=events.Outcome.SUCCEEDED,
            error_reason="",
            http_status=200,
            resource="model:echo",
            model_use=ECHOED,
            change=None,
        ),
    )


async def test_a_refused_stranger_arrives_without_what_is_unknown(
    spool: Spool, event_log: SpoolEventLog, audit: AuditClient, stored: MemoryEventStore
) -> None:
    told = exchange(Activity.LOGIN)
    told.principal = None
    told.fail(HeadraceError(Reason.LOGIN_FAILED, "a sentence"))
    event_log.open().record(told, 0.1)
    await deliver(spool, audit.send)
    (event,) = stored.events
    assert (event.kind, event.outcome) == (events.EventKind.LOGIN, events.Outcome.REFUSED)
    assert (event.error_reason, event.http_status) == ("LOGIN_FAILED", 401)
    assert (event.actor, event.model_use) == (None, None)


async def test_an_answer_whose_gateway_was_killed_arrives_as_interrupted(
    tmp_path: Path,
    spool: Spool,
    event_log: SpoolEventLog,
    audit: AuditClient,
    stored: MemoryEventStore,
) -> None:
    told = exchange()
    told.model, told.cache_status, told.streamed = "echo", "miss", True
    entry = event_log.open()
    entry.note(told, 0.25)
    assert told.outcome is None
    spool.close()  # as far as the disk is concerned, the process is gone
    after = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry())
    await deliver(after, audit.send)
    (event,) = stored.events
    assert (str(event.event_id), event.outcome) == (told.request_id, events.Outcome.FAILED)
    assert (event.error_reason, event.http_status) == ("INTERRUPTED", 503)
    assert event.model_use is not None
    assert (event.model_use.model, event.model_use.total_time) == ("echo", timedelta(seconds=0.25))


async def test_every_act_and_outcome_is_taken_once_though_its_acknowledgement_was_lost(
    spool: Spool, event_log: SpoolEventLog, audit: AuditClient, stored: MemoryEventStore
) -> None:
    recorded = []
    for activity in Activity:
        for outcome in Outcome:
            told = exchange(activity)
            told.outcome = outcome
            told.model = told.resource = "\0" + "m" * 10_000  # nothing a caller sends is refused
            event_log.open().record(told, 0.1)
            recorded.append((told.request_id, activity.value, outcome.value))
    sent = []

    async def send_and_lose_the_first_answer(payloads: list[bytes]) -> None:
        await audit.send(payloads)
        sent.append(len(payloads))
        if len(sent) == 1:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the connection was lost")

    await deliver(spool, send_and_lose_the_first_answer)
    assert sent == [len(recorded), len(recorded)]
    arrived = [(str(event.event_id), event.kind, event.outcome) for event in stored.events]
    assert arrived == recorded


async def test_what_no_audit_can_take_is_set_aside_and_the_rest_arrives(
    spool: Spool,
    event_log: SpoolEventLog,
    audit: AuditClient,
    stored: MemoryEventStore,
    tmp_path: Path,
) -> None:
    poison = [b"\xff\xff", audit_pb2.AuditEvent(event_id="gone").SerializeToString()]
    good = [exchange(Activity.MODEL_LIST) for _ in range(5)]
    for index, told in enumerate(good):
        told.succeed()
        event_log.open().record(told, 0.1)
        if index in {1, 3}:
            spool.append(poison[index // 2])
    await deliver(spool, audit.send)
    assert [str(event.event_id) for event in stored.events] == [told.request_id for told in good]
    lines = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert [base64.b64decode(json.loads(line)["payload"]) for line in lines] == poison
