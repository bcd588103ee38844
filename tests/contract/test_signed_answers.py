"""Signed answers from the engine to the caller, verified by what docs/signed-answers.md prints."""

from collections.abc import AsyncGenerator

import pytest
from tests.stack.completions import CHAT, DONE, event_of
from tests.stack.signed_answers import (
    FULL,
    OTHER_SEED,
    PLAIN,
    SEED,
    TEXT,
    TOOL,
    Json,
    ObligingEngine,
    ask,
    documented_verifier,
    published,
    signing_gateway,
)

from headrace_inference.domain.events import (
    Accepted,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    ToolCallPart,
)
from headrace_inference.domain.requests import GenerationRequest

verify = documented_verifier()


@pytest.mark.parametrize(
    "body",
    [PLAIN, FULL, TEXT, {**PLAIN, "top_p": 0}],
    ids=["plain", "full", "text", "likeliest"],
)
async def test_whoever_sent_the_body_can_verify_the_answer(body: Json) -> None:
    async with signing_gateway() as client:
        answer, keys = await ask(client, body), await published(client)
    statement = verify(body, answer, keys)
    assert answer["id"].endswith(statement["request_id"])
    assert statement["model"] == "echo"


@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize("body", [PLAIN, FULL], ids=["plain", "full"])
async def test_a_stream_has_the_signature_in_its_last_chunk(
    body: Json, include_usage: bool
) -> None:
    streamed = {**body, "stream": True, "stream_options": {"include_usage": include_usage}}
    async with signing_gateway() as client:
        response, keys = await client.post(CHAT, json=streamed), await published(client)
    events = [event for line in response.text.splitlines() if (event := event_of(line))]
    assert events.pop() == DONE
    assert ["headrace" in event for event in events] == [False] * (len(events) - 1) + [True]
    assert ("usage" in events[-1]) == include_usage
    assert verify(streamed, put_together(events), keys)["model"] == "echo"


def put_together(chunks: list[Json]) -> Json:
    """A stream's chunks as a whole answer."""
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        index = choice["index"]
        texts[index] = texts.get(index, "") + choice["delta"].get("content", "")
        reasons[index] = choice["finish_reason"] or ""
    choices = [
        {"message": {"content": texts[index]}, "finish_reason": reasons[index]}
        for index in sorted(texts)
    ]
    return {**chunks[-1], "choices": choices}


async def test_an_answer_from_the_cache_has_no_signature() -> None:
    body = {**PLAIN, "temperature": 0}
    async with signing_gateway() as client:
        fresh, cached = await ask(client, body), await ask(client, body)
        keys = await published(client)
    assert fresh["choices"] == cached["choices"]
    assert ["headrace" in answer for answer in (fresh, cached)] == [True, False]
    assert verify(body, fresh, keys)
    with pytest.raises(ValueError, match="not signed"):
        verify(body, cached, keys)


class LeakingEngine(ObligingEngine):
    """Says a key of a cloud."""

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        yield Accepted()
        yield Delta(0, "AKIA", 1)
        yield Delta(0, "A" * 16, 1)
        yield ChoiceFinished(0, FinishReason.STOP, 2)


async def test_an_answer_that_a_guard_ends_has_no_signature() -> None:
    async with signing_gateway(engine=LeakingEngine) as client:
        answer = await ask(client, PLAIN)
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert "headrace" not in answer


async def test_without_a_key_nothing_is_signed() -> None:
    async with signing_gateway(None) as client:
        answer, keys = await ask(client, PLAIN), await published(client)
    assert "headrace" not in answer
    assert keys == {"keys": []}


class CallingEngine(ObligingEngine):
    """Calls a tool, in two pieces, beside some text."""

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        yield Accepted()
        yield Delta(0, "Let me see.", 1, (), (ToolCallPart(0, '{"a":', "call_1", "add"),))
        yield Delta(0, "", 1, (), (ToolCallPart(0, " 1}"),))
        yield ChoiceFinished(0, FinishReason.TOOL_CALLS, 2)


async def test_calls_of_tools_are_signed_and_so_is_their_history() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "1"},
    ]
    body = {**PLAIN, "messages": history, "tools": [{"type": "function", "function": TOOL}]}
    async with signing_gateway(engine=CallingEngine) as client:
        answer, keys = await ask(client, body), await published(client)
    assert answer["choices"][0]["message"]["tool_calls"]
    assert verify(body, answer, keys)
    answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "{}"
    with pytest.raises(ValueError, match="another request or answer"):
        verify(body, answer, keys)


async def test_the_first_key_signs_and_all_are_published() -> None:
    async with signing_gateway(f"{OTHER_SEED},{SEED}") as client:
        answer, keys = await ask(client, PLAIN), await published(client)
    assert len(keys["keys"]) == 2
    members = {"kty", "crv", "x", "kid", "use", "alg", "headrace_models"}
    assert all(set(key) == members for key in keys["keys"])
    assert all(key["headrace_models"] == ["echo"] for key in keys["keys"])
    async with signing_gateway(OTHER_SEED) as client:
        assert verify(PLAIN, answer, await published(client))
