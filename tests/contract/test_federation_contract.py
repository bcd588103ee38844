"""FederationService as its callers meet it: the real servicer behind a real stub."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest

from headrace.auth.v1 import federation_pb2 as pb
from headrace.auth.v1 import federation_pb2_grpc
from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.testing.directory import ACME, MEMBER, PASSWORD
from headrace_auth.testing.federation import ADA, FRONT_END, PROVIDER, VERIFIER, federation_of
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth, bearer, running_auth
from headrace_common.errors import Reason
from headrace_common.testing.clock import FakeClock

PROTO = Path(__file__).parents[2] / "protos/headrace/auth/v1/federation.proto"
CHALLENGE = s256_challenge(VERIFIER)


@dataclass(frozen=True, slots=True)
class Service:
    """The stub, and what is behind it."""

    federation: federation_pb2_grpc.FederationServiceStub
    auth: RunningAuth
    provider: MemoryIdentityProvider

    async def start(self) -> str:
        request = pb.StartFederatedLoginRequest(
            provider=PROVIDER, redirect_uri=FRONT_END, code_challenge=CHALLENGE
        )
        answer = await self.federation.StartFederatedLogin(request, timeout=5)
        return str(answer.authorization_url)

    async def land(self, url: str) -> pb.CompleteFederatedLoginResponse:
        request = pb.CompleteFederatedLoginRequest(
            provider=PROVIDER,
            state=parse_qs(urlsplit(url).query)["state"][0],
            code=self.provider.approve(url, ADA),
        )
        answer: pb.CompleteFederatedLoginResponse = await self.federation.CompleteFederatedLogin(
            request, timeout=5
        )
        return answer

    async def exchange(self, code: str, verifier: str = VERIFIER) -> pb.ExchangeLoginCodeResponse:
        request = pb.ExchangeLoginCodeRequest(code=code, code_verifier=verifier)
        answer: pb.ExchangeLoginCodeResponse = await self.federation.ExchangeLoginCode(
            request, timeout=5
        )
        return answer


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    clock, provider = FakeClock(), MemoryIdentityProvider()
    async with running_auth(
        clock,
        federation=federation_of(provider, MemoryIdentityProvider(), clock),
        registration="invitation",
        federation_redirect_uris=(FRONT_END,),
    ) as auth:
        stub = federation_pb2_grpc.FederationServiceStub(auth.channel)
        yield Service(stub, auth, provider)


async def test_from_linking_to_logging_in_and_unlinking(service: Service) -> None:
    metadata = await service.auth.bearer_of(MEMBER.email)
    request = pb.LinkIdentityRequest(
        provider=PROVIDER, redirect_uri=FRONT_END, code_challenge=CHALLENGE
    )
    call = service.federation.LinkIdentity
    request.password = "wrong"
    error = await refusal(call(request, metadata=metadata, timeout=5))
    assert error.reason is Reason.LOGIN_FAILED
    request.password = PASSWORD
    begun = await call(request, metadata=metadata, timeout=5)
    landing = await service.land(begun.authorization_url)
    assert (landing.redirect_uri, landing.error) == (FRONT_END, "")
    linked = await service.exchange(landing.login_code)
    assert not linked.HasField("tokens")
    assert not linked.HasField("principal")
    assert (linked.identity.provider, linked.identity.subject) == (PROVIDER, "ada")
    assert linked.identity.email == "ada@new.test"
    assert linked.identity.HasField("created_at")

    landing = await service.land(await service.start())
    result = await service.exchange(landing.login_code)
    assert not result.HasField("identity")
    assert (result.principal.user_id, result.principal.organization_id) == (MEMBER.user_id, ACME)
    assert result.tokens.token_type == "Bearer"
    mine = bearer(result.tokens.access_token)
    listed = await service.federation.ListIdentities(
        pb.ListIdentitiesRequest(), metadata=mine, timeout=5
    )
    assert list(listed.identities) == [linked.identity]
    unlink = pb.UnlinkIdentityRequest(provider=PROVIDER, subject="ada", password="wrong")
    refused = await refusal(service.federation.UnlinkIdentity(unlink, metadata=mine, timeout=5))
    assert refused.reason is Reason.LOGIN_FAILED
    unlink.password = PASSWORD
    await service.federation.UnlinkIdentity(unlink, metadata=mine, timeout=5)
    error = await refusal(service.federation.UnlinkIdentity(unlink, metadata=mine, timeout=5))
    assert error.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_refusal_is_no_error_but_an_answer(service: Service) -> None:
    landing = await service.land(await service.start())
    assert (landing.redirect_uri, landing.login_code) == (FRONT_END, "")
    assert landing.error == "registration_closed"


async def test_errors_and_their_statuses(service: Service) -> None:
    url = await service.start()
    await service.land(url)
    used = await refusal(service.land(url))
    assert (used.reason, used.param) == (Reason.INVALID_FIELD, "state")
    wrong = await refusal(service.exchange("hrl_" + "x" * 49))
    assert wrong.reason is Reason.LOGIN_FAILED
    service.provider.down = True
    down = await refusal(service.start())
    assert down.reason is Reason.DEPENDENCY_UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.exchange("")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_ones_own_identities_need_a_credential(service: Service) -> None:
    for call in (
        service.federation.LinkIdentity(pb.LinkIdentityRequest(provider=PROVIDER), timeout=5),
        service.federation.ListIdentities(pb.ListIdentitiesRequest(), timeout=5),
        service.federation.UnlinkIdentity(pb.UnlinkIdentityRequest(), timeout=5),
    ):
        assert (await refusal(call)).reason is Reason.CREDENTIAL_MISSING


async def test_exchanges_are_counted(service: Service) -> None:
    await refusal(service.exchange("x"))
    name = "headrace_auth_federated_logins_total"
    assert service.auth.registry.get_sample_value(name, {"outcome": "refused"}) == 1
    assert service.auth.registry.get_sample_value(name, {"outcome": "ok"}) == 0


def test_the_proto_names_every_refusal() -> None:
    comment = _comment_of_error()
    assert {str(refusal) for refusal in LoginRefusal} == set(comment)


def _comment_of_error() -> list[str]:
    text = PROTO.read_text()
    about = text[text.index("// Why there is none:") : text.index("string error = 3;")]
    return about.split("`")[1::2]
