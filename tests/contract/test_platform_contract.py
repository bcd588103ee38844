"""PlatformService and Bootstrap as their callers meet them."""

import pytest

from headrace.audit.v1.audit_pb2 import AuditEvent
from headrace.auth.v1 import platform_pb2 as pb
from headrace.auth.v1 import platform_pb2_grpc, sessions_pb2, sessions_pb2_grpc
from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.testing.directory import ADMIN, OWNER
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.errors import Reason
from headrace_common.testing.clock import FakeClock

TOKEN, PASSWORD = "b" * 32, "paper lantern river stone"
OWNER_REQUEST = sessions_pb2.BootstrapRequest(
    token=TOKEN, email="root@acme.test", password=PASSWORD, organization_name="Acme"
)


@pytest.fixture
def platform(auth: RunningAuth) -> platform_pb2_grpc.PlatformServiceStub:
    return platform_pb2_grpc.PlatformServiceStub(auth.channel)


async def test_the_platforms_owner_rotates_signing_keys_and_the_audit_hears_the_kid(
    auth: RunningAuth, platform: platform_pb2_grpc.PlatformServiceStub
) -> None:
    owner = await auth.bearer_of(OWNER.email)
    asked = pb.ListSigningKeysRequest()
    [first] = (await platform.ListSigningKeys(asked, metadata=owner, timeout=5)).signing_keys
    assert first.signing
    request = pb.RotateSigningKeysRequest()
    made = (await platform.RotateSigningKeys(request, metadata=owner, timeout=5)).signing_key
    again = (await platform.RotateSigningKeys(request, metadata=owner, timeout=5)).signing_key
    assert made.kid == again.kid != first.kid
    listed = (await platform.ListSigningKeys(asked, metadata=owner, timeout=5)).signing_keys
    assert [(each.kid, each.signing) for each in listed] == [(first.kid, True), (made.kid, False)]
    payloads = [each.payload for each in auth.store.rows[OutboxEvent].values()]
    events = [AuditEvent.FromString(each) for each in payloads]
    told = [each for each in events if each.operation == "signing_keys_rotated"]
    assert {(each.resource, each.actor.user_id) for each in told} == {
        (f"signing_key:{made.kid}", OWNER.user_id)
    }


async def test_a_withdrawal_ends_the_other_keys_when_the_new_one_begins(
    auth: RunningAuth, platform: platform_pb2_grpc.PlatformServiceStub
) -> None:
    owner = await auth.bearer_of(OWNER.email)
    request = pb.RotateSigningKeysRequest(withdraw=True)
    made = (await platform.RotateSigningKeys(request, metadata=owner, timeout=5)).signing_key
    asked = pb.ListSigningKeysRequest()
    first, _ = (await platform.ListSigningKeys(asked, metadata=owner, timeout=5)).signing_keys
    assert first.retires_at == made.activates_at


async def test_an_administrator_may_do_neither(
    auth: RunningAuth, platform: platform_pb2_grpc.PlatformServiceStub
) -> None:
    admin = await auth.bearer_of(ADMIN.email)
    for call in (
        platform.ListSigningKeys(pb.ListSigningKeysRequest(), metadata=admin, timeout=5),
        platform.RotateSigningKeys(pb.RotateSigningKeysRequest(), metadata=admin, timeout=5),
    ):
        assert (await refusal(call)).reason is Reason.PERMISSION_DENIED


async def test_an_empty_installation_gets_its_owner_once() -> None:
    clock = FakeClock()
    async with running_auth(clock, MemoryStore(clock), bootstrap_token=TOKEN) as auth:
        stub = sessions_pb2_grpc.SessionServiceStub(auth.channel)
        made = await stub.Bootstrap(OWNER_REQUEST, timeout=5)
        assert made.user_id
        assert made.organization_id
        assert await auth.token_of("root@acme.test", PASSWORD)
        error = await refusal(stub.Bootstrap(OWNER_REQUEST, timeout=5))
        assert error.reason is Reason.PERMISSION_DENIED
