"""What the openai engine asks to know whether its remote is well."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from tests.integration.loopback import Answer, Request, answering

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.engines import create_engine
from headrace_inference.settings import InferenceSettings


@contextmanager
def remote(statuses: Mapping[str, int]) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the paths that it was asked for; those without a status are not there."""
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(statuses.get(request.path, 404))

    with answering(answer) as address:
        yield address, asked


async def check_health(address: str, **changes: str) -> None:
    settings = {"engine": "openai", "model_id": "ours", "remote_url": f"{address}/v1", **changes}
    engine = create_engine(InferenceSettings.model_validate(settings), SystemClock())
    try:
        async with asyncio.timeout(15):
            await engine.health()
    finally:
        await engine.close()


async def test_a_remote_is_asked_for_its_health() -> None:
    with remote({"/health": 200}) as (address, asked):
        await check_health(address)
    assert asked == ["/health"]


async def test_one_that_has_no_such_path_is_asked_for_its_models() -> None:
    with remote({"/v1/models": 200}) as (address, asked):
        await check_health(address)
    assert asked == ["/health", "/v1/models"]


async def test_the_path_can_be_another() -> None:
    with remote({"/health": 503, "/is/ready": 200}) as (address, asked):
        await check_health(address, remote_health_path="/is/ready")
    assert asked == ["/is/ready"]


@pytest.mark.parametrize(
    ("statuses", "status", "questions"),
    [
        ({"/health": 503, "/v1/models": 200}, 503, 1),
        ({"/v1/models": 500}, 500, 2),
        ({}, 404, 2),
    ],
)
async def test_one_that_says_that_it_is_not_well_is_believed(
    statuses: Mapping[str, int], status: int, questions: int
) -> None:
    complaint = pytest.raises(HeadraceError, match=rf"not well \({status}\)")
    with remote(statuses) as (address, asked), complaint as caught:
        await check_health(address)
    assert caught.value.reason is Reason.NOT_SERVING
    assert len(asked) == questions
