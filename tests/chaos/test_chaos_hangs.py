"""SIGSTOP of every dependency: callers get their answer or a clear 503 in time, and it passes."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.chaos.callers import Answer, Question, Script, calling
from tests.chaos.conftest import StackFactory
from tests.chaos.ledger import assert_accounted, ledger_of
from tests.chaos.recovery import COMPONENTS, wait_for, wait_for_more
from tests.chaos.refusals import assert_clear
from tests.chaos.visitors import Visitors, arrive, begin

from headrace_common.grpc_server import LIVENESS
from headrace_common.health import INTERVAL_SECONDS
from headrace_gateway.settings import GatewaySettings
from headrace_local.stack import Stack
from headrace_local.testing import frozen

FREEZE_SECONDS = 10.0
HANG_NOTICED_SECONDS = 15.0
"""When a gRPC channel gives a silent peer up: see `headrace_common.grpc_client`."""
OWN_SECONDS = 2.0
"""What an answer takes by itself, beside the wait for what hangs."""
RETURN_SECONDS = 5.0
"""From SIGCONT until every kind of call succeeds."""
HEALTH_SECONDS = 2 * INTERVAL_SECONDS
"""A dependency is looked at every two seconds, for two seconds at most."""

RESOLVE = GatewaySettings.model_fields["auth_timeout_seconds"].default
ACCOUNT = GatewaySettings.model_fields["account_timeout_seconds"].default
ADMISSION = GatewaySettings.model_fields["admission_timeout_seconds"].default

TOKEN_SECONDS = 0.02
LONGEST_WORDS = 100
LONGEST_SECONDS = LONGEST_WORDS * TOKEN_SECONDS
UNAVAILABLE = "dependency_unavailable"
COMPLETIONS = ("plain", "stream", "cached", "new plain", "new stream")
LONG = Question(" ".join(f"word-{number}" for number in range(400)), streamed=True)
"""Eight seconds at the stack's pace, so that it crosses the freeze."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of a call, and how many seconds what hangs may cost it."""

    answered: bool
    seconds: float


def answered(seconds: float = 0.0) -> Cell:
    return Cell(True, seconds)


def refused(seconds: float) -> Cell:
    return Cell(False, seconds)


def _row(known: Cell, cached: Cell, new: Cell, login: Cell, keys: Cell) -> dict[str, Cell]:
    return {
        **dict.fromkeys(("plain", "stream"), known),
        "cached": cached,
        **dict.fromkeys(("new plain", "new stream"), new),
        "login": login,
        **dict.fromkeys(("list keys", "create key", "revoke key"), keys),
    }


AUTH_HANGS = _row(
    known=answered(RESOLVE),
    cached=answered(RESOLVE),
    new=refused(RESOLVE),
    login=refused(ACCOUNT),
    keys=refused(RESOLVE + ACCOUNT),
)
UNTOUCHED = _row(
    known=answered(),
    cached=answered(),
    new=answered(),
    login=answered(ACCOUNT),
    keys=answered(ACCOUNT),
)
MATRIX: Mapping[str, Mapping[str, Cell]] = {
    "auth": AUTH_HANGS,
    "postgres": AUTH_HANGS,
    "redis": _row(
        known=answered(ADMISSION),
        cached=answered(ADMISSION),
        new=answered(ADMISSION),
        login=answered(ACCOUNT),
        keys=answered(ACCOUNT),
    ),
    "cache": UNTOUCHED,
    "audit": UNTOUCHED,
    "inference": _row(
        known=answered(HANG_NOTICED_SECONDS),
        cached=answered(),
        new=answered(HANG_NOTICED_SECONDS),
        login=answered(ACCOUNT),
        keys=answered(ACCOUNT),
    ),
}


@pytest.fixture(scope="module")
def stack(make_stack: StackFactory) -> Iterator[Stack]:
    """Streams of some seconds, and a gateway that asks `auth` about known keys at every chance."""
    settings = {
        "inference": {"echo_token_seconds": str(TOKEN_SECONDS)},
        "gateway": {"principal_fresh_seconds": "0.5"},
    }
    with make_stack(settings) as running:
        yield running


@pytest.mark.timeout(180)
@pytest.mark.parametrize("component", MATRIX)
async def test_ten_seconds_of_silence(stack: Stack, component: str) -> None:
    visitors, lives = await arrive(stack, visits=12), _lives(stack)
    with ledger_of(stack) as new_rows:
        with calling(stack, concurrency=2, script=Script(longest=LONGEST_WORDS)) as load:
            await asyncio.to_thread(wait_for_more, load, 6)
            crossing = await begin(stack, LONG)
            with frozen(stack, component):
                visiting = asyncio.create_task(visitors.visit(component))
                await _assert_gateway_stays_in_service(stack)
                await asyncio.sleep(FREEZE_SECONDS)
                await _assert_gateway_stays_in_service(stack)
            visits = [await visiting, *await _visit_until_all_is_well(visitors)]
        completions = [await crossing, *load, *_completions(visits)]
        rows = new_rows()
    _assert_as_stated(visits[0], MATRIX[component])
    _assert_load_as_stated(load, MATRIX[component]["plain"])
    assert crossing.result().good
    assert not crossing.result().wrong
    assert _lives(stack) == lives
    assert_accounted(completions, rows)


@pytest.mark.timeout(120)
async def test_a_model_server_that_hangs_on_is_given_up(stack: Stack) -> None:
    lives = _lives(stack)
    with ledger_of(stack) as new_rows:
        crossing = await begin(stack, LONG)
        frozen_at = time.monotonic()
        with frozen(stack, "inference"):
            waiting = asyncio.create_task(_ask_plain(stack, "while it is thought alive"))
            for call in (await crossing, await waiting):
                assert call.code == UNAVAILABLE
                assert call.ended_at - frozen_at < HANG_NOTICED_SECONDS + OWN_SECONDS
            refusal = await _ask_plain(stack, "once it is given up")
        tries = await _ask_until_answered(stack)
        rows = new_rows()
    assert crossing.result().status == 200
    assert refusal.seconds < OWN_SECONDS
    for call in (waiting.result(), refusal):
        assert_clear(call, {UNAVAILABLE})
    assert _lives(stack) == lives
    assert_accounted([crossing.result(), waiting.result(), refusal, *tries], rows)
    [audited] = [row for row in rows if row.request_id == crossing.result().request_id]
    assert audited.outcome == "failed"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("component", "services"), [("redis", ["cache"]), ("postgres", ["auth", "audit"])]
)
def test_readiness_tells_the_truth(stack: Stack, component: str, services: list[str]) -> None:
    with frozen(stack, component):
        for name in services:
            _wait_for_health(stack, name, "NOT_SERVING")
            assert _health(stack, name, LIVENESS) == "SERVING"
    for name in services:
        _wait_for_health(stack, name, "SERVING")


def _assert_as_stated(visit: Mapping[str, Answer], cells: Mapping[str, Cell]) -> None:
    assert visit.keys() == cells.keys()
    for name, answer in visit.items():
        cell = cells[name]
        assert answer.seconds < cell.seconds + OWN_SECONDS, (name, answer)
        if cell.answered:
            assert answer.status in (200, 201), (name, answer)
            assert answer.complete, (name, answer)
            assert not answer.code, (name, answer)
            assert name not in COMPLETIONS or not answer.wrong, (name, answer)
        else:
            assert_clear(answer, {UNAVAILABLE})


def _assert_load_as_stated(load: Sequence[Answer], cell: Cell) -> None:
    """The callers with the known key, before, during and after."""
    for answer in load:
        assert not answer.wrong, answer
        assert answer.seconds < cell.seconds + LONGEST_SECONDS + OWN_SECONDS, answer
        if not answer.good:
            assert not cell.answered, answer
            assert_clear(answer, {UNAVAILABLE})


async def _visit_until_all_is_well(visitors: Visitors) -> list[dict[str, Answer]]:
    deadline, visits = time.monotonic() + RETURN_SECONDS, []
    for number in count():
        visits.append(await visitors.visit(f"recovery {number}"))
        assert time.monotonic() < deadline, visits[-1]
        if all(answer.complete and not answer.code for answer in visits[-1].values()):
            assert not any(answer.wrong for answer in _completions(visits[-1:])), visits[-1]
            return visits
    raise AssertionError


async def _ask_until_answered(stack: Stack) -> list[Answer]:
    deadline = time.monotonic() + RETURN_SECONDS
    tries = [await _ask_plain(stack, "again")]
    while not tries[-1].good:
        assert time.monotonic() < deadline, tries[-1]
        tries.append(await _ask_plain(stack, "again"))
    return tries


def _completions(visits: Sequence[Mapping[str, Answer]]) -> list[Answer]:
    return [visit[name] for visit in visits for name in COMPLETIONS]


async def _ask_plain(stack: Stack, prompt: str) -> Answer:
    return await (await begin(stack, Question(prompt)))


def _lives(stack: Stack) -> dict[str, object]:
    """Which process every component is, for none may need a restart."""
    return {name: stack.supervisor.status(name).process for name in COMPONENTS}


async def _assert_gateway_stays_in_service(stack: Stack) -> None:
    """Whatever hangs: the gateway's callers are better off with its answers than without."""
    url = f"http://{stack.plan.address('gateway')}"
    async with httpx.AsyncClient(base_url=url, timeout=OWN_SECONDS, trust_env=False) as client:
        for name in ("liveness", "readiness"):
            assert (await client.get(f"/api/v1/health/{name}")).status_code == 200


def _health(stack: Stack, service: str, name: str = "") -> str:
    with grpc.insecure_channel(stack.plan.address(service)) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=OWN_SECONDS)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _wait_for_health(stack: Stack, service: str, wanted: str) -> None:
    started = time.monotonic()
    wait_for(lambda: _health(stack, service) == wanted or None, f"{service} {wanted}")
    assert time.monotonic() - started < HEALTH_SECONDS + OWN_SECONDS
