"""Who calls: a credential from the call's metadata, and what the edge saw, both bounded."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from headrace_auth.domain.callers import Caller
from headrace_auth.metrics import AuthMetrics
from headrace_auth.servicers.callers import MAXIMUM_TEXT, Callers
from headrace_auth.servicers.messages import MAXIMUM_CREDENTIAL
from headrace_auth.testing.directory import MEMBER, PASSWORD
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_common.errors import HeadraceError, Reason

SEEN = (
    ("x-request-id", "req_1"),
    ("x-source-address", "192.0.2.7"),
    ("x-user-agent", "curl/8"),
)


class Call:
    """As much of a gRPC context as is looked at."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Any:
        return self._metadata or None


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def callers(resolver: CredentialResolver, registry: CollectorRegistry) -> Callers:
    return Callers(resolver, AuthMetrics(registry))


@pytest.fixture
async def token(login: Login) -> str:
    return (await login.log_in(Caller(), MEMBER.email, PASSWORD)).access_token


async def test_a_caller_is_its_principal_and_what_the_edge_saw_of_it(
    callers: Callers, token: str
) -> None:
    caller = await callers.identified(Call(*SEEN, ("authorization", f"Bearer {token}")))
    assert caller.identified().member.user_id == MEMBER.user_id
    assert (caller.request_id, caller.source_address) == ("req_1", "192.0.2.7")
    assert (caller.user_agent, caller.credential) == ("curl/8", token)
    assert token not in repr(caller)


def test_anybody_may_be_nobody(callers: Callers) -> None:
    assert callers.anybody(Call()) == Caller()
    assert callers.anybody(Call(*SEEN)) == Caller("req_1", "192.0.2.7", "curl/8")


def test_of_anybody_a_credential_is_not_looked_at(callers: Callers) -> None:
    caller = callers.anybody(Call(("authorization", "Bearer x")))
    assert (caller.principal, caller.credential) == (None, "")
    with pytest.raises(HeadraceError) as caught:
        caller.identified()
    assert caught.value.reason is Reason.CREDENTIAL_MISSING


def test_what_is_only_told_on_is_cut_and_bytes_do_no_harm(callers: Callers) -> None:
    long = "x" * 10_000
    caller = callers.anybody(
        Call(("x-user-agent", long), ("x-request-id", long), ("trace-bin", b"\xff\0" * 9000))
    )
    assert caller == Caller(request_id=long[:MAXIMUM_TEXT], user_agent=long[:MAXIMUM_TEXT])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], Reason.CREDENTIAL_MISSING),
        (["Bearer "], Reason.CREDENTIAL_MISSING),
        ([""], Reason.CREDENTIAL_INVALID),
        (["Bearer"], Reason.CREDENTIAL_MISSING),
        (["{token}"], Reason.CREDENTIAL_INVALID),
        (["Basic {token}"], Reason.CREDENTIAL_INVALID),
        (["Bearer {token}", "Bearer {token}"], Reason.CREDENTIAL_INVALID),
        (["Bearer  {token}"], Reason.CREDENTIAL_INVALID),
        (["Bearer {token}" + "A" * MAXIMUM_CREDENTIAL], Reason.CREDENTIAL_INVALID),
        (["Bearer {token}" + " " * 100_000], Reason.CREDENTIAL_INVALID),
    ],
)
async def test_what_is_no_single_whole_credential_is_refused_and_counted(
    callers: Callers, token: str, registry: CollectorRegistry, values: list[str], reason: Reason
) -> None:
    metadata = [("authorization", value.replace("{token}", token)) for value in values]
    with pytest.raises(HeadraceError) as caught:
        await callers.identified(Call(*metadata))
    assert caught.value.reason is reason
    name = "headrace_auth_resolutions_total"
    assert registry.get_sample_value(name, {"outcome": "refused"}) == 1


async def test_the_schemes_case_does_not_matter(callers: Callers, token: str) -> None:
    caller = await callers.identified(Call(("authorization", f"bEARER {token}")))
    assert caller.principal is not None
