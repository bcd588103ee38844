"""The account side of the gateway against the real services of auth."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

from headrace.audit.v1.audit_pb2 import AuditEvent
from headrace.auth.v1 import api_keys_pb2
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.testing.directory import ACME, ACME_TEAM, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth
from headrace_common.errors import Reason
from headrace_common.grpc_server import Registration
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.principal import Budget, BudgetPeriod, Limit, LimitKind, Principal
from headrace_gateway.http.accounts.keys import NewApiKeyBody
from headrace_gateway.http.bodies import parse_body
from headrace_gateway.ports import AccountAnswer

CREATE, LIST, REVOKE = (
    f"ApiKeyService/{name}" for name in ("CreateApiKey", "ListApiKeys", "RevokeApiKey")
)
REQUESTS, TOKENS = LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE
MEMBER_LIMITS = (
    Limit(REQUESTS, f"organization:{ACME}", 1000),
    Limit(TOKENS, f"team:{ACME_TEAM}", 50_000, "smollm2"),
    Limit(LimitKind.CONCURRENT_REQUESTS, f"user:{MEMBER.user_id}", 4),
)
BUDGETS = (Budget(f"organization:{ACME}", 10_000_000, "EUR", BudgetPeriod.MONTH, "Europe/Berlin"),)
FIRST_PAGE = {"page_size": 10, "page_token": ""}


@pytest.fixture
def accounts(auth: RunningAuth) -> GrpcAccounts:
    return GrpcAccounts(auth.channel, seconds=5)


@pytest.fixture
def resolver(auth: RunningAuth) -> AuthClient:
    return AuthClient(auth.channel, resolve_seconds=5)


def exchange(credential: str = "", **fields: str) -> Exchange:
    told: dict[str, Any] = {
        "request_id": "req_1",
        "activity": Activity.ADMINISTRATION,
        "operation": "POST /api/v1/keys",
        "source_address": "192.0.2.7",
        "credential": credential,
        "occurred_at": FakeClock().now(),
        "started": 0.0,
        "user_agent": "curl/8",
    }
    return Exchange(**(told | fields))


async def create(accounts: GrpcAccounts, token: str, **fields: Any) -> tuple[dict[str, Any], str]:
    """The key as it was described, and the secret."""
    answer = await accounts.call(CREATE, {"name": "key", **fields}, exchange(token))
    return answer.fields["api_key"], answer.fields["secret"]


# ---- logging in ----


async def test_a_login_brings_a_token_and_its_principal(
    accounts: GrpcAccounts, resolver: AuthClient
) -> None:
    login = {"email": MEMBER.email, "password": PASSWORD}
    answer = await accounts.call("SessionService/Login", login, exchange())
    assert set(answer.fields) == {"tokens"}
    tokens = answer.fields["tokens"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 1800)
    assert answer.principal == await resolver.resolve(tokens["access_token"])
    assert answer.principal is not None
    assert answer.principal.user_id == MEMBER.user_id
    assert tokens["access_token"] not in repr(answer)
    assert tokens["refresh_token"] not in repr(answer)


async def test_a_wrong_password_is_a_failed_login(accounts: GrpcAccounts) -> None:
    login = {"email": MEMBER.email, "password": "wrong"}
    error = await refusal(accounts.call("SessionService/Login", login, exchange()))
    assert error.reason is Reason.LOGIN_FAILED


# ---- keys ----


async def test_a_key_is_made_as_asked_and_resolves_to_what_it_may_do(
    auth: RunningAuth, accounts: GrpcAccounts, resolver: AuthClient, clock: FakeClock
) -> None:
    expires_at = clock.now() + timedelta(days=1, microseconds=5)
    wanted = {
        "name": "laptop",
        "scopes": ["llm:invoke"],
        "allowed_models": ["smollm2", "echo"],
        "expires_at": expires_at,
        "requests_per_minute": 60,
        "tokens_per_minute": 9000,
    }
    key, secret = await create(accounts, await auth.token_of(MEMBER.email), **wanted)
    key_id = key["api_key_id"]
    assert key.items() >= wanted.items()
    assert (key["created_by"], key["created_at"]) == (MEMBER.user_id, clock.now())
    assert key["revoked_at"] is None
    own = (Limit(REQUESTS, f"api_key:{key_id}", 60), Limit(TOKENS, f"api_key:{key_id}", 9000))
    assert await resolver.resolve(secret) == Principal(
        credential_id=key_id,
        user_id=MEMBER.user_id,
        organization_id=ACME,
        scopes=frozenset({"llm:invoke"}),
        allowed_models=frozenset({"smollm2", "echo"}),
        limits=own + MEMBER_LIMITS,
        budgets=BUDGETS,
        expires_at=expires_at,
        revocation_ids=(key_id, f"member:{MEMBER.user_id}:1", "organization:1", f"key:{key_id}:1"),
    )


async def test_what_was_not_asked_for_is_absent(
    auth: RunningAuth, accounts: GrpcAccounts, resolver: AuthClient
) -> None:
    key, secret = await create(accounts, await auth.token_of(OWNER.email))
    absent = ("expires_at", "requests_per_minute", "tokens_per_minute", "revoked_at")
    assert [key[name] for name in absent] == [None] * len(absent)
    principal = await resolver.resolve(secret)
    assert principal.expires_at is None
    assert principal.allowed_models == frozenset()
    assert principal.limits == (Limit(REQUESTS, f"organization:{ACME}", 1000),)


async def test_keys_are_handled_as_the_person_and_for_nobody_without_a_credential(
    auth: RunningAuth, accounts: GrpcAccounts
) -> None:
    own, others = await auth.token_of(MEMBER.email), await auth.token_of(OUTSIDER.email)
    key, secret = await create(accounts, own)
    named = {"api_key_id": key["api_key_id"]}
    assert (await accounts.call(LIST, FIRST_PAGE, exchange(own))).fields == {
        "api_keys": [key],
        "next_page_token": "",
    }
    assert (await accounts.call(LIST, FIRST_PAGE, exchange(others))).fields["api_keys"] == []
    error = await refusal(accounts.call(REVOKE, named, exchange(others)))
    assert error.reason is Reason.RESOURCE_NOT_FOUND
    error = await refusal(create(accounts, secret))
    assert error.reason is Reason.PERMISSION_DENIED
    for name, fields in ((CREATE, {"name": "x"}), (LIST, FIRST_PAGE), (REVOKE, named)):
        for credential, reason in (
            ("x", Reason.CREDENTIAL_INVALID),
            ("", Reason.CREDENTIAL_MISSING),
        ):
            error = await refusal(accounts.call(name, fields, exchange(credential)))
            assert error.reason is reason


async def test_a_revoked_key_says_when_and_resolves_no_more(
    auth: RunningAuth, accounts: GrpcAccounts, resolver: AuthClient, clock: FakeClock
) -> None:
    token = await auth.token_of(MEMBER.email)
    key, secret = await create(accounts, token)
    clock.advance(60)
    named = {"api_key_id": key["api_key_id"]}
    answer = await accounts.call(REVOKE, named, exchange(token))
    assert answer == AccountAnswer({"api_key": key | {"revoked_at": clock.now()}})
    assert (await refusal(resolver.resolve(secret))).reason is Reason.CREDENTIAL_INVALID


async def test_pages_follow_one_another(
    auth: RunningAuth, accounts: GrpcAccounts, clock: FakeClock
) -> None:
    token = await auth.token_of(MEMBER.email)
    made = []
    for number in range(5):
        made.append((await create(accounts, token, name=f"key {number}"))[0])
        clock.advance(1)
    pages, page_token = [], ""
    for _ in range(3):
        page = {"page_size": 2, "page_token": page_token}
        fields = (await accounts.call(LIST, page, exchange(token))).fields
        pages.append(fields["api_keys"])
        page_token = fields["next_page_token"]
    assert pages == [made[4:2:-1], made[2:0:-1], made[:1]]
    assert page_token == ""


LARGEST = 10**12


@pytest.mark.parametrize(
    ("field", "largest", "too_large"),
    [
        ("name", "n" * 100, "n" * 101),
        ("allowed_models", [f"m{i}" for i in range(100)], [f"m{i}" for i in range(101)]),
        ("requests_per_minute", LARGEST, LARGEST + 1),
        ("tokens_per_minute", LARGEST, LARGEST + 1),
    ],
)
async def test_the_gateway_allows_exactly_what_auth_allows(
    auth: RunningAuth, accounts: GrpcAccounts, field: str, largest: Any, too_large: Any
) -> None:
    token = await auth.token_of(MEMBER.email)
    document: dict[str, Any] = {"name": "key", field: largest}
    body = parse_body(NewApiKeyBody, NewApiKeyBody(**document).model_dump_json().encode())
    key, _ = await create(accounts, token, **body.model_dump())
    assert key[field] == largest
    with pytest.raises(ValueError, match=field):
        NewApiKeyBody(**{**document, field: too_large})
    beyond = body.model_dump() | {field: too_large}
    assert (await refusal(create(accounts, token, **beyond))).param == field


# ---- what goes along with a call ----


class Listener(grpc.GenericRpcHandler):
    """Answers every call with nothing and remembers its metadata."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        pairs = details.invocation_metadata or ()
        self.heard.append({str(pair[0]): str(pair[1]) for pair in pairs})

        async def answer(request: bytes, context: object) -> bytes:
            return api_keys_pb2.ListApiKeysResponse().SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
async def listener() -> AsyncIterator[tuple[Listener, GrpcAccounts]]:
    listener = Listener()
    registration = Registration(
        "listener", lambda _, server: server.add_generic_rpc_handlers((listener,)), None
    )
    async with serving([registration]) as channel:
        yield listener, GrpcAccounts(channel, seconds=5)


async def test_what_the_edge_saw_goes_along(listener: tuple[Listener, GrpcAccounts]) -> None:
    heard, accounts = listener
    await accounts.call(LIST, FIRST_PAGE, exchange("hr_secret"))
    [metadata] = heard.heard
    assert metadata["authorization"] == "Bearer hr_secret"
    assert metadata["x-request-id"] == "req_1"
    assert metadata["x-source-address"] == "192.0.2.7"
    assert metadata["x-user-agent"] == "curl/8"


@pytest.mark.parametrize(
    ("user_agent", "heard_as"),
    [
        ("", ""),
        ("Br\xf6wser/1", "Br?wser/1"),
        ("\N{SNOWMAN}", "?"),
        ("a\r\nauthorization: Bearer b", "a??authorization: Bearer b"),
        ("\0\x7f\t", "???"),
        ("x" * 200, "x" * 200),
    ],
)
async def test_any_user_agent_goes_along_as_plain_ascii(
    listener: tuple[Listener, GrpcAccounts], user_agent: str, heard_as: str
) -> None:
    heard, accounts = listener
    await accounts.call(LIST, FIRST_PAGE, exchange("hr_secret", user_agent=user_agent))
    assert heard.heard[0]["x-user-agent"] == heard_as


@pytest.mark.parametrize("credential", ["", "\xff", "a\r\nb", "\0", "x" * 5000])
async def test_a_login_is_not_disturbed_by_what_a_stranger_sends_as_a_credential(
    listener: tuple[Listener, GrpcAccounts], credential: str
) -> None:
    heard, accounts = listener
    login = {"email": MEMBER.email, "password": PASSWORD}
    await accounts.call("SessionService/Login", login, exchange(credential))
    assert "authorization" not in heard.heard[0]


async def test_who_did_it_from_where_stands_in_the_event_of_the_change(
    auth: RunningAuth, accounts: GrpcAccounts
) -> None:
    token = await auth.token_of(OWNER.email)
    told = exchange(token, user_agent="\N{SNOWMAN}", source_address="2001:db8::7")
    await accounts.call(CREATE, {"name": "key"}, told)
    events = [AuditEvent.FromString(each.payload) for each in auth.store.rows[OutboxEvent].values()]
    [event] = (event for event in events if event.operation == "api_key.create")
    assert (event.request_id, event.source_address) == ("req_1", "2001:db8::7")
    assert event.actor.user_id == OWNER.user_id


async def test_a_call_that_no_service_has_is_a_fault_of_ours(accounts: GrpcAccounts) -> None:
    with pytest.raises(KeyError):
        await accounts.call("ApiKeyService/DropTables", {}, exchange())
    with pytest.raises(KeyError):
        await accounts.call(CREATE, {"role": "owner"}, exchange())
