"""The gRPC front door: the same principals, limits, guards, cache and audit as over HTTP."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import grpc
import pytest
from tests.stack.grpc_door import BEARER, Caller, Metadata, chat, grpc_gateway

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.domain.principal import TRACE_REQUESTS, Limit, LimitKind
from headrace_gateway.domain.trace import TRACE_HEADER
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway

Both = tuple[Gateway, Caller]
SECRET = "AKIA" + "Q" * 16
TOKENS = LimitKind.TOKENS_PER_MINUTE


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with grpc_gateway() as running:
        yield running


def _bearer(credential: str) -> Metadata:
    return (("authorization", f"Bearer {credential}"),)


async def test_an_answer_streams_and_is_recorded_as_over_http(both: Both) -> None:
    gateway, caller = both
    answer = await caller.complete(chat())
    kinds = [message.WhichOneof("event") for message in answer.messages]
    assert kinds == ["started", "delta", "delta", "delta", "finished"]
    assert answer.text == "one two three"
    finished = answer.finished
    assert list(finished.finish_reasons) == [pb.FINISH_REASON_STOP]
    assert (finished.prompt_tokens, finished.completion_tokens) == (3, 3)
    assert (finished.model.id, finished.model.version) == ("echo", "v1")
    [exchange] = gateway.events.exchanges
    assert exchange.request_id == answer.told["x-request-id"]
    assert (exchange.outcome, exchange.activity) == (Outcome.SUCCEEDED, Activity.COMPLETION)
    assert exchange.operation == "CompletionService/Complete"
    assert (exchange.principal, exchange.source_address) == (PRINCIPAL, "127.0.0.1")
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (3, 3)
    assert exchange.streamed
    assert exchange.user_agent.startswith("grpc-python")
    assert gateway.events.begun == {exchange.request_id}


async def test_whom_a_call_is_for_is_recorded(both: Both) -> None:
    gateway, caller = both
    asked = chat()
    asked.end_user = "customer 7"
    await caller.complete(asked)
    embed = pb.EmbedRequest(model="echo", texts=["ab"], end_user="customer 8")
    await caller.call("Embed", embed)
    told = [exchange.end_user for exchange in gateway.events.exchanges]
    assert told == ["customer 7", "customer 8"]


async def test_several_choices_of_a_plain_prompt_are_told_apart(both: Both) -> None:
    sampling = pb.Sampling(choices=2)
    request = pb.CompleteRequest(model="echo", prompt="a b", sampling=sampling)
    answer = await both[1].complete(request)
    deltas = [each.delta for each in answer.messages[1:-1]]
    assert sorted(delta.choice for delta in deltas) == [0, 0, 1, 1]
    assert len(answer.finished.finish_reasons) == 2


async def test_embeddings_and_models(both: Both) -> None:
    gateway, caller = both
    request = pb.EmbedRequest(model="echo", texts=["ab", "a"], dimensions=1)
    [embedded] = (await caller.call("Embed", request)).messages
    assert [len(vector) for vector in embedded.vectors] == [4, 4]
    assert embedded.prompt_tokens == 2
    [listed] = (await caller.call("ListModels", pb.ListModelsRequest())).messages
    [got] = (await caller.call("GetModel", pb.GetModelRequest(model="echo"))).messages
    assert list(listed.models) == [got.model]
    assert (got.model.context_tokens, got.model.generates) == (2048, True)
    activities = [exchange.activity for exchange in gateway.events.exchanges]
    assert activities == [Activity.EMBEDDING, Activity.MODEL_LIST, Activity.MODEL_LIST]


async def test_only_deterministic_requests_are_cached_for_both_doors_together(both: Both) -> None:
    gateway, caller = both
    over_http = {
        "model": "echo",
        "temperature": 0,
        "messages": [{"role": "user", "content": "one two three"}],
    }
    response = await gateway.client.post("/v1/chat/completions", json=over_http)
    hit = await caller.complete(chat(temperature=0))
    bypass = await caller.complete(chat())
    statuses = [response.headers["x-headrace-cache"]]
    statuses += [each.told["x-headrace-cache"] for each in (hit, bypass)]
    assert statuses == ["miss", "hit", "bypass"]
    assert hit.text == "one two three"


async def test_rate_limits_are_told_and_enforced_for_both_doors_together(both: Both) -> None:
    gateway, caller = both
    limit = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:test", 2)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    assert (await gateway.client.get("/v1/models")).status_code == 200
    answers = [await caller.complete(chat()) for _ in range(2)]
    remaining = [each.told["x-ratelimit-remaining-requests"] for each in answers]
    assert (remaining, answers[0].error) == (["0", "0"], None)
    assert answers[1].code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(answers[1].error, HeadraceError)
    assert answers[1].error.reason is Reason.REQUEST_RATE_LIMITED
    assert answers[1].error.retry_after_seconds == pytest.approx(30)
    gateway.clock.advance(30)
    assert (await caller.complete(chat())).error is None


async def test_tokens_that_were_reserved_and_not_used_are_given_back(both: Both) -> None:
    gateway, caller = both
    limit = Limit(TOKENS, "organization:org_1", 1000)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    answers = [await caller.complete(chat(max_tokens=900)) for _ in range(2)]
    assert [each.told["x-ratelimit-remaining-tokens"] for each in answers] == ["92", "86"]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), Reason.CREDENTIAL_MISSING),
        (_bearer("hr_wrong"), Reason.CREDENTIAL_INVALID),
        (_bearer("not.a.token"), Reason.CREDENTIAL_INVALID),
        ((*BEARER, *BEARER), Reason.CREDENTIAL_INVALID),
        ((("authorization", "Basic dXNlcg=="), ("x-api-key", KEY)), Reason.CREDENTIAL_MISSING),
    ],
)
async def test_bad_credentials_are_refused_before_the_message_is_looked_at(
    both: Both, metadata: Metadata, reason: Reason
) -> None:
    gateway, caller = both
    answer = await caller.complete(pb.CompleteRequest(), metadata)
    assert answer.error is not None
    assert (answer.error.reason, answer.code) == (reason, grpc.StatusCode.UNAUTHENTICATED)
    [exchange] = gateway.events.exchanges
    assert exchange.outcome is Outcome.REFUSED
    assert answer.told["x-request-id"] == exchange.request_id


async def test_the_x_api_key_works_too_and_an_id_of_the_callers_is_ignored(both: Both) -> None:
    answer = await both[1].complete(chat(), (("x-api-key", KEY), ("x-request-id", "mine")))
    assert answer.error is None
    assert answer.told["x-request-id"] != "mine"


@pytest.mark.parametrize("key", ["signature", "signature-input"])
async def test_signed_requests_are_refused_clearly(both: Both, key: str) -> None:
    gateway, caller = both
    answer = await caller.complete(chat(), (*BEARER, (key, "sig1=:AAAA:")))
    assert answer.error is not None
    assert answer.error.reason is Reason.PERMISSION_DENIED
    assert "for HTTP only" in answer.error.message
    assert gateway.accounts.resolutions == 0


@pytest.mark.parametrize(
    ("method", "request_", "scope"),
    [
        ("Embed", pb.EmbedRequest(model="echo", texts=["a"]), "llm:invoke"),
        ("ListModels", pb.ListModelsRequest(), "models:read"),
        ("GetModel", pb.GetModelRequest(model="echo"), "models:read"),
    ],
)
async def test_each_call_needs_its_scope(
    both: Both, method: str, request_: object, scope: str
) -> None:
    gateway, caller = both
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, scopes=PRINCIPAL.scopes - {scope})
    answer = await caller.call(method, request_)
    assert answer.error is not None
    assert (answer.code, answer.error.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        Reason.PERMISSION_DENIED,
    )
    assert scope in answer.error.message


async def test_a_credential_works_from_its_networks_only(both: Both) -> None:
    gateway, caller = both
    for network, forwarded, reason in (
        ("127.0.0.0/8", (), None),
        ("10.1.0.0/16", (), Reason.PERMISSION_DENIED),
        # The peer is a trusted proxy here, and tells for whom it asks.
        ("10.1.0.0/16", (("x-forwarded-for", "192.0.2.7, 10.1.2.3"),), None),
        ("192.0.2.0/24", (("x-forwarded-for", "192.0.2.7, 10.1.2.3"),), Reason.PERMISSION_DENIED),
    ):
        allowed = (ip_network(network),)
        gateway.accounts.principals[KEY] = replace(PRINCIPAL, allowed_networks=allowed)
        gateway.clock.advance(20)  # so that `auth` is asked again
        answer = await caller.complete(chat(), (*BEARER, *forwarded))
        assert (answer.error and answer.error.reason) == reason, (network, forwarded)


async def test_a_known_principal_outlives_auth_and_a_stranger_hears_of_the_outage(
    both: Both,
) -> None:
    gateway, caller = both
    assert (await caller.complete(chat())).error is None
    gateway.accounts.unavailable = True
    gateway.clock.advance(60)
    assert (await caller.complete(chat())).error is None
    stranger = await caller.complete(chat(), _bearer("hr_stranger"))
    assert stranger.code is grpc.StatusCode.UNAVAILABLE


async def test_a_revoked_key_is_refused_at_once(both: Both) -> None:
    gateway, caller = both
    assert (await caller.complete(chat())).error is None
    gateway.limiter.revoked.add(("org_1", "test"))
    assert (await caller.complete(chat())).code is grpc.StatusCode.UNAUTHENTICATED


async def test_unknown_and_forbidden_models_are_the_same(both: Both) -> None:
    gateway, caller = both
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, allowed_models=frozenset({"another"}))
    forbidden = await caller.call("GetModel", pb.GetModelRequest(model="echo"))
    unknown = await caller.call("GetModel", pb.GetModelRequest(model="x" * 100_000))
    for answer in (forbidden, unknown):
        assert answer.error is not None
        assert answer.error.reason is Reason.MODEL_NOT_FOUND


async def test_a_cohort_may_be_asked_for_as_over_http(both: Both) -> None:
    gateway, caller = both
    good = await caller.complete(chat(), (*BEARER, ("x-headrace-cohort", "canary")))
    bad = await caller.complete(chat(), (*BEARER, ("x-headrace-cohort", "no cohort")))
    assert (good.error, good.told["x-headrace-model"]) == (None, "echo")
    assert bad.error is not None
    assert (bad.error.reason, bad.error.param) == (Reason.INVALID_FIELD, "x-headrace-cohort")
    asked = [exchange.cohort_asked for exchange in gateway.events.exchanges]
    assert asked == ["canary", "no cohort"]


async def test_a_blocked_prompt_is_refused_and_recorded_by_rule(both: Both) -> None:
    gateway, caller = both
    answer = await caller.complete(chat(SECRET))
    assert answer.error is not None
    assert (answer.error.reason, answer.error.param) == (
        Reason.CONTENT_BLOCKED,
        "conversation.messages",
    )
    assert SECRET not in answer.error.message
    assert gateway.events.exchanges[0].guard_decisions == ["prompt:aws-access-key:block"]


async def test_a_secret_in_the_answer_ends_it_with_content_filter() -> None:
    class Leaking(EchoTarget):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
            for piece in ("The key is ", SECRET[:9], SECRET[9:], " and more"):
                yield Delta(0, piece, tokens=1)

    async with grpc_gateway(Leaking()) as (gateway, caller):
        answer = await caller.complete(chat())
        assert answer.text == "The key is "
        assert list(answer.finished.finish_reasons) == [pb.FINISH_REASON_CONTENT_FILTER]
        assert gateway.events.exchanges[0].guard_decisions == ["output:aws-access-key:block"]


async def test_the_trace_comes_at_the_end_to_whoever_may_see_it(both: Both) -> None:
    gateway, caller = both
    asking = (*BEARER, (TRACE_HEADER, "1"))
    refused = await caller.complete(chat(), asking)
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert TRACE_HEADER not in refused.told
    scopes = PRINCIPAL.scopes | {TRACE_REQUESTS}
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, scopes=scopes)
    gateway.clock.advance(60)
    answers = [
        await caller.complete(chat(), asking),
        await caller.call("Embed", pb.EmbedRequest(model="echo", texts=["a"]), asking),
        await caller.call("ListModels", pb.ListModelsRequest(), asking),
        await caller.complete(chat(SECRET), asking),
    ]
    told = [json.loads(answer.told[TRACE_HEADER]) for answer in answers]
    assert [each["stages"][0]["stage"] for each in told] == ["identify"] * 4
    assert [each["stages"][-1]["stage"] for each in told] == ["record"] * 4
    assert [each["outcome"] for each in told] == [*["succeeded"] * 3, "refused"]
    assert TRACE_HEADER not in (await caller.complete(chat())).told


async def test_a_full_spool_refuses_new_work(both: Both) -> None:
    gateway, caller = both
    gateway.events.full = True
    answer = await caller.complete(chat())
    assert answer.error is not None
    assert (answer.error.reason, gateway.events.exchanges) == (Reason.AUDIT_UNAVAILABLE, [])


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (HeadraceError(Reason.ENGINE_FAILED, "The engine failed."), Reason.ENGINE_FAILED),
        (ZeroDivisionError("secret details"), Reason.INTERNAL),
    ],
)
async def test_a_failure_on_the_way_ends_the_stream_with_its_reason(
    failure: Exception, reason: Reason
) -> None:
    class Breaking(EchoTarget):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
            yield Delta(0, "word", tokens=1)
            raise failure

    async with grpc_gateway(Breaking()) as (gateway, caller):
        answer = await caller.complete(chat())
        assert answer.error is not None
        assert (answer.text, answer.error.reason) == ("word", reason)
        assert "secret" not in answer.error.message
        [exchange] = gateway.events.exchanges
        assert exchange.outcome is Outcome.FAILED
        assert answer.told["x-request-id"] == exchange.request_id
