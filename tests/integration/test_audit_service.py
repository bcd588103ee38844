"""The audit service with a PostgreSQL that comes late, dies, hangs and comes back."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from headrace.audit.v1 import audit_pb2, audit_pb2_grpc
from headrace_audit.app import start
from headrace_audit.settings import AuditSettings
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.ids import uuid7
from headrace_common.postgres import create_engine
from headrace_common.runtime import Runtime
from headrace_common.spool import Policy, Spool, start_spool
from headrace_common.testing.postgres import proxying_postgres
from headrace_common.testing.proxy import Proxy

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def proxied(postgres_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    async with proxying_postgres(postgres_url) as (proxy, url):
        yield proxy, url


@pytest.fixture
def proxy(proxied: tuple[Proxy, str]) -> Proxy:
    return proxied[0]


@pytest.fixture
def settings(proxied: tuple[Proxy, str], free_port: int) -> AuditSettings:
    return AuditSettings(
        database_url=proxied[1],
        database_timeout_seconds=0.5,
        grpc_address=f"127.0.0.1:{free_port}",
        metrics_address="127.0.0.1:0",
        drain_seconds=1,
    )


@asynccontextmanager
async def running(settings: AuditSettings) -> AsyncIterator[grpc.aio.Channel]:
    runtime = Runtime(step_seconds=5)
    channel = create_channel(settings.grpc_address)
    starting = asyncio.create_task(start(settings, runtime))
    try:
        yield channel
    finally:
        starting.cancel()
        await asyncio.wait([starting])
        await channel.close()
        await runtime.close()


class Health:
    """Follows the service's readiness."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        self._changes = stub.Watch(request, timeout=60, wait_for_ready=True)

    async def until(self, status: int) -> None:
        async with asyncio.timeout(15):
            async for change in self._changes:
                if change.status == status:
                    return


def _event(number: int = 0) -> audit_pb2.AuditEvent:
    now = datetime.now(UTC)
    return audit_pb2.AuditEvent(
        event_id=uuid7(now),
        kind=audit_pb2.EVENT_KIND_MODEL_LIST,
        occurred_at=now,
        writer="gateway/gw-1",
        request_id=f"req_{number}",
        operation="GET /v1/models",
        outcome=audit_pb2.OUTCOME_SUCCEEDED,
    )


async def test_readiness_and_answers_follow_the_database(
    settings: AuditSettings, proxy: Proxy
) -> None:
    proxy.cut()
    async with running(settings) as channel:
        stub = audit_pb2_grpc.AuditServiceStub(channel)
        health = Health(channel)
        request = audit_pb2.RecordEventsRequest(events=[_event()])
        proxy.restore()
        await health.until(SERVING)
        assert (await stub.RecordEvents(request, timeout=5)).stored == 1
        for disturb in (proxy.cut, proxy.freeze):
            disturb()
            with pytest.raises(HeadraceError) as caught, translate_rpc_errors("audit"):
                await stub.RecordEvents(request, timeout=5)
            assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
            await health.until(NOT_SERVING)
            proxy.restore()
            await health.until(SERVING)
            assert (await stub.RecordEvents(request, timeout=5)).duplicates == 1


async def _send(
    stub: audit_pb2_grpc.AuditServiceStub,
    stored: asyncio.Event,
    refused: asyncio.Event,
    payloads: list[bytes],
) -> None:
    events = [audit_pb2.AuditEvent.FromString(payload) for payload in payloads]
    try:
        with translate_rpc_errors("audit"):
            await stub.RecordEvents(audit_pb2.RecordEventsRequest(events=events), timeout=5)
    except HeadraceError:
        refused.set()
        raise
    stored.set()


async def test_spooled_events_become_rows_once_through_an_outage(
    settings: AuditSettings, proxy: Proxy, postgres_url: str, tmp_path: Path
) -> None:
    async with running(settings) as channel:
        stub = audit_pb2_grpc.AuditServiceStub(channel)
        await Health(channel).until(SERVING)

        stored, refused = asyncio.Event(), asyncio.Event()
        send = partial(_send, stub, stored, refused)
        runtime = Runtime(step_seconds=15)
        spool = Spool(tmp_path / "spool", clock=SystemClock(), registry=CollectorRegistry())
        policy = Policy(
            batch_records=20,
            gather_seconds=0.01,
            first_pause_seconds=0.01,
            longest_pause_seconds=0.1,
        )
        start_spool(runtime, spool, send, policy=policy)
        async with asyncio.timeout(30):
            for number in range(500):
                spool.append(_event(number).SerializeToString())
                if number == 150:
                    await stored.wait()
                    proxy.cut()
                if number == 350:
                    await refused.wait()
                    proxy.restore()
        await runtime.close()
        assert spool.backlog.records == 0
    assert await _request_ids(postgres_url) == [f"req_{number}" for number in range(500)]


async def test_the_process_starts_and_drains(settings: AuditSettings) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace_audit"),
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HEADRACE_AUDIT_DATABASE_URL": settings.database_url.get_secret_value(),
            "HEADRACE_AUDIT_GRPC_ADDRESS": settings.grpc_address,
            "HEADRACE_AUDIT_METRICS_ADDRESS": settings.metrics_address,
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b'"ready"' not in (line := await process.stdout.readline()):
            assert line, "the process ended before it was ready"
        async with create_channel(settings.grpc_address) as channel:
            await Health(channel).until(SERVING)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def _request_ids(url: str) -> list[str]:
    engine = create_engine(url)
    async with engine.connect() as connection:
        result = await connection.execute(
            text("SELECT request_id FROM audit.events ORDER BY occurred_at")
        )
        ids = list(result.scalars())
    await engine.dispose()
    return ids
