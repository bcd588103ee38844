"""Router: who may use which model, and what callers hear while its server is away."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.answer_keys import AnswerKey, PublishedAnswerKey
from headrace_gateway.domain.completion import ModelCard, ModelVersion
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.stages.route import Router
from headrace_gateway.testing.gateway import PRINCIPAL
from headrace_gateway.testing.routing import fixed_router


class Server(EchoTarget):
    """An EchoTarget that can be down or replaced, and tells when it is asked what it serves."""

    def __init__(self, model: str, version: str = "v1", *, down: bool = False) -> None:
        super().__init__()
        self.card = ModelCard(ModelVersion(model, version), 2048, loaded_at_seconds=0)
        self.down = down
        self.asked = 0
        self._changed = asyncio.Condition()

    async def models(self) -> list[ModelCard]:
        async with self._changed:
            self.asked += 1
            self._changed.notify_all()
        if self.down:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the server does not answer")
        return [self.card]

    async def until_asked_again(self) -> None:
        """Returns once an answer that is given from now on has been taken in."""
        async with asyncio.timeout(5), self._changed:
            wanted = self.asked + 2  # when the second is asked for, the first is known
            await self._changed.wait_for(lambda: self.asked >= wanted)


@asynccontextmanager
async def refreshing(**targets: Server) -> AsyncIterator[Router]:
    router = fixed_router(targets, refresh_seconds=0.001)
    task = asyncio.create_task(router.keep_fresh())
    try:
        yield router
    finally:
        task.cancel()
        await asyncio.wait([task])


def exchange() -> Exchange:
    return Exchange(
        request_id="req_1",
        activity=Activity.COMPLETION,
        operation="POST /v1/chat/completions",
        source_address="192.0.2.7",
        credential="hr_secret",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        started=100.0,
    )


def refusal(call: Callable[[], object]) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        call()
    return caught.value


async def test_a_model_is_routed_to_its_server_and_its_version_is_noted() -> None:
    small, large = Server("small", "s1"), Server("large", "l1")
    async with refreshing(small=small, large=large) as router:
        await asyncio.wait_for(router.known.wait(), 5)
        told = exchange()
        route = router.run(told, PRINCIPAL, "large")
    assert route.target is large
    assert route.card.model.version == "l1"
    assert (told.model, told.model_version) == ("large", "l1")


async def test_before_its_first_sight_a_model_is_starting() -> None:
    server = Server("echo", down=True)
    async with refreshing(echo=server) as router:
        await server.until_asked_again()
        error = refusal(lambda: router.run(exchange(), PRINCIPAL, "echo"))
        assert error.reason is Reason.NOT_SERVING
        assert error.retry_after_seconds == 5
        assert router.cards_for(PRINCIPAL) == []
        assert not router.known.is_set()
        server.down = False
        await asyncio.wait_for(router.known.wait(), 5)
        assert router.run(exchange(), PRINCIPAL, "echo").target is server


async def test_readiness_waits_for_every_model_but_serving_does_not() -> None:
    seen, unseen = Server("seen"), Server("unseen", down=True)
    async with refreshing(seen=seen, unseen=unseen) as router:
        await seen.until_asked_again()
        assert not router.known.is_set()
        assert router.run(exchange(), PRINCIPAL, "seen").target is seen
        assert [card.model.id for card in router.cards_for(PRINCIPAL)] == ["seen"]


async def test_a_server_that_falls_silent_keeps_its_card() -> None:
    server = Server("echo", "v7")
    async with refreshing(echo=server) as router:
        await asyncio.wait_for(router.known.wait(), 5)
        server.down = True
        await server.until_asked_again()
        assert [card.model.version for card in router.cards_for(PRINCIPAL)] == ["v7"]
        assert router.run(exchange(), PRINCIPAL, "echo").target is server
        assert router.known.is_set()


async def test_a_new_version_is_noticed() -> None:
    server = Server("echo", "v1")
    async with refreshing(echo=server) as router:
        await asyncio.wait_for(router.known.wait(), 5)
        server.card = replace(server.card, model=ModelVersion("echo", "v2"))
        await server.until_asked_again()
        told = exchange()
        router.run(told, PRINCIPAL, "echo")
    assert told.model_version == "v2"


async def test_a_server_of_another_model_is_not_taken_for_the_wanted_one() -> None:
    server = Server("other")
    async with refreshing(echo=server) as router:
        await server.until_asked_again()
        for model, reason in (("echo", Reason.NOT_SERVING), ("other", Reason.MODEL_NOT_FOUND)):
            error = refusal(partial(router.run, exchange(), PRINCIPAL, model))
            assert error.reason is reason
        assert router.cards_for(PRINCIPAL) == []


async def test_models_that_a_credential_may_not_use_do_not_exist_for_it() -> None:
    restricted = replace(PRINCIPAL, allowed_models=frozenset({"small"}))
    async with refreshing(small=Server("small"), large=Server("large")) as router:
        await asyncio.wait_for(router.known.wait(), 5)
        assert [card.model.id for card in router.cards_for(restricted)] == ["small"]
        assert [card.model.id for card in router.cards_for(PRINCIPAL)] == ["large", "small"]
        router.run(exchange(), restricted, "small")
        told = exchange()
        hidden = refusal(lambda: router.run(told, restricted, "large"))
        missing = refusal(lambda: router.run(exchange(), PRINCIPAL, "none"))
    assert (hidden.reason, hidden.param) == (Reason.MODEL_NOT_FOUND, "model")
    assert hidden.message.replace("large", "none") == missing.message
    assert told.model == "large", "the audit tells what was wanted"
    assert told.model_version == ""


def answer_key(byte: bytes) -> AnswerKey:
    key = AnswerKey("", byte * 32)
    return replace(key, kid=key.thumbprint())


def test_a_thumbprint_is_the_standards() -> None:
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A
    key = AnswerKey("", base64.urlsafe_b64decode(x + "="))
    assert key.jwk() == {"kty": "OKP", "crv": "Ed25519", "x": x}
    assert key.thumbprint() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_no_server_publishes_its_key_for_anothers() -> None:
    own, shared = answer_key(b"a"), answer_key(b"b")
    honest, lying = Server("honest"), Server("lying")
    honest.card = replace(honest.card, answer_keys=(own, shared))
    lying.card = replace(lying.card, answer_keys=(AnswerKey(own.kid, b"c" * 32), shared))
    async with refreshing(honest=honest, lying=lying) as router:
        await asyncio.wait_for(router.known.wait(), 5)
        published = {each.key.kid: each for each in router.answer_keys()}
    assert published == {
        own.kid: PublishedAnswerKey(own, ("honest",)),
        shared.kid: PublishedAnswerKey(shared, ("honest", "lying")),
    }
