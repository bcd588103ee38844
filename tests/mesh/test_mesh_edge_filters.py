"""The edge on a real Envoy: who is limited, what is no request, and what is logged of requests."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from tests.mesh.edge_filters import GRPC, TOLD, EdgeFilters, running_edge
from tests.stack import helm

STRANGERS, EVERYBODY, REMEMBERED = 5, 12, 100
LIMITS = {
    # As little comes back in a second as can be said, so that a test sees the burst alone.
    "withoutCredential": {"requestsPerSecond": 1, "burst": STRANGERS},
    "perAddress": {"requestsPerSecond": 1, "burst": EVERYBODY},
    "maxAddresses": REMEMBERED,
}
OURS = {"host": "llm.example.org"}
WITH_KEY = {**OURS, "authorization": "Bearer hr_some_key"}
GRPC_WITH_KEY = {**WITH_KEY, "content-type": GRPC}


@pytest.fixture(scope="module")
def objects() -> list[helm.Object]:
    return helm.render([helm.CHART / "ci/ha-values.yaml"], set={"mesh.edgeRateLimit": LIMITS})


@pytest.fixture
async def edge(tmp_path: Path, objects: list[helm.Object]) -> AsyncIterator[EdgeFilters]:
    async with running_edge(tmp_path, objects) as running:
        yield running


async def passed(edge: EdgeFilters, address: str, headers: Mapping[str, str] = OURS) -> int:
    """How many of twenty requests were not refused."""
    answers = [await edge.ask(address, headers=headers) for _ in range(20)]
    assert {answer.status_code for answer in answers} <= {200, 429}
    return sum(answer.status_code == 200 for answer in answers)


def expect_burst(number: int, burst: int) -> None:
    """A token or two may have come back meanwhile."""
    assert burst <= number <= burst + 2


async def test_strangers_are_limited_by_address(edge: EdgeFilters) -> None:
    expect_burst(await passed(edge, "192.0.2.1"), STRANGERS)
    expect_burst(await passed(edge, "192.0.2.2"), STRANGERS)


async def test_who_shows_a_credential_has_the_larger_limit(edge: EdgeFilters) -> None:
    for number, header in enumerate(("authorization", "x-api-key", "signature-input")):
        shown = {**OURS, header: "something"}
        expect_burst(await passed(edge, f"192.0.2.{number}", shown), EVERYBODY)


async def test_strangers_leave_something_to_keys_behind_their_address(edge: EdgeFilters) -> None:
    for _ in range(5):
        await passed(edge, "192.0.2.1")
    assert await passed(edge, "192.0.2.1", WITH_KEY) >= EVERYBODY - STRANGERS - 2


async def test_one_network_of_ipv6_is_one_address(edge: EdgeFilters) -> None:
    answers = [await edge.ask(f"2001:db8::{number:x}", headers=OURS) for number in range(1, 21)]
    expect_burst(sum(answer.status_code == 200 for answer in answers), STRANGERS)
    assert (await edge.ask("2001:db8:0:1::1", headers=OURS)).status_code == 200


async def test_other_hosts_of_the_gateway_are_not_limited(edge: EdgeFilters) -> None:
    answers = [await edge.ask("192.0.2.1", "/ready") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}


async def test_as_many_addresses_are_remembered_as_there_is_room_for(edge: EdgeFilters) -> None:
    await passed(edge, "192.0.2.1")
    assert (await edge.ask("192.0.2.1", headers=OURS)).status_code == 429
    for number in range(REMEMBERED):
        await edge.ask(f"198.51.100.{number}", headers=OURS)
    expect_burst(await passed(edge, "192.0.2.1"), STRANGERS)


async def test_a_refusal_has_openais_shape_and_says_when_to_come_again(edge: EdgeFilters) -> None:
    await passed(edge, "192.0.2.1")
    refused = await edge.ask("192.0.2.1", headers=OURS)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"].keys() == {"message", "type", "param", "code", "request_id"}
    assert refused.json()["error"]["code"] == "queue_full"


async def test_grpc_hears_resource_exhausted(edge: EdgeFilters) -> None:
    """UNAVAILABLE, as which gRPC takes a 429, clients would try again at once."""
    await passed(edge, "192.0.2.1")
    refused = await edge.ask("192.0.2.1", "/grpc/well", {**OURS, "content-type": GRPC})
    assert refused.headers["grpc-status"] == "8"
    assert not refused.headers["grpc-message"].startswith("{")


async def test_what_two_readers_would_read_differently_is_refused(edge: EdgeFilters) -> None:
    for path, headers in (("/v1/models/a%2Fb", {}), ("/v1/models", {"x_under": "score"})):
        refused = await edge.ask("192.0.2.1", path, {**OURS, **headers})
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "127.0.0.1", "fd00::1"])
async def test_no_client_tells_envoy_what_to_do_wherever_it_is(
    edge: EdgeFilters, address: str
) -> None:
    """Retries without end, for one: private addresses are strangers as well."""
    told = await edge.ask(address, "/told", {**OURS, **dict.fromkeys(TOLD, "5xx")})
    assert {name for name in TOLD if f"told-{name}" in told.headers} == {"user-agent"}


async def test_failed_requests_are_logged_without_query_and_credential(
    tmp_path: Path, objects: list[helm.Object]
) -> None:
    async with running_edge(tmp_path, objects) as edge:
        await edge.ask("192.0.2.1", "/ill?code=one-time", WITH_KEY)
    assert [(line["path"], line["status"]) for line in edge.logged()] == [("/ill", 503)]
    assert "one-time" not in edge.log.read_text()
    assert "hr_some_key" not in edge.log.read_text()


async def test_grpcs_failures_are_logged_and_what_went_well_is_not(
    tmp_path: Path, objects: list[helm.Object]
) -> None:
    async with running_edge(tmp_path, objects) as edge:
        for path, headers in (
            ("/v1/models", WITH_KEY),
            ("/v1/models", {**WITH_KEY, "content-type": "application/json"}),
            ("/grpc/well", GRPC_WITH_KEY),
            ("/grpc/ill", GRPC_WITH_KEY),
            ("/ill", WITH_KEY),
        ):
            await edge.ask("192.0.2.1", path, headers)
    lines = edge.logged()
    assert [line["path"] for line in lines] == ["/grpc/ill", "/ill"]
    assert lines[0]["grpc_status"] == "Unavailable"
