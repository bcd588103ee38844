"""OpenAI's parameters one by one: what becomes of them, and in whose words they are refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    Message,
    ModelVersion,
    Started,
    TokenLogprob,
)
from headrace_gateway.testing.gateway import Gateway, running_gateway

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("add", "sub", "mul")]
MUTE = {"image_url": {"url": "data:,"}, "type": "image_url"}


class Listening(EchoTarget):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[CompletionRequest] = []

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.asked.append(request)
        async for event in super().generate(request_id, tenant, request):
            yield event


@pytest.fixture
def target() -> Listening:
    return Listening()


@pytest.fixture
async def gateway(target: Listening) -> AsyncIterator[Gateway]:
    async with running_gateway(target) as running:
        yield running


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": "one"}], **fields}


def text(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "prompt": "one", **fields}


async def ask(gateway: Gateway, path: str, body: dict[str, Any]) -> Any:
    response = await gateway.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"temperature": 2.1}, "decimal_above_max_value", "temperature"),
        ({"top_p": -0.1}, "decimal_below_min_value", "top_p"),
        ({"n": 6}, "integer_above_max_value", "n"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"n": "two"}, "invalid_type", "n"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"stop": ["a"] * 5}, "array_above_max_length", "stop"),
        ({"stop": ""}, "empty_string", "stop"),
        ({"messages": []}, "empty_array", "messages"),
        ({"messages": None}, "invalid_type", "messages"),
        ({"metadata": {str(n): "" for n in range(17)}}, "object_above_max_properties", "metadata"),
        ({"metadata": {"a": "b" * 513}}, "string_above_max_length", "metadata.a"),
        ({"metadata": {"a": 1}}, "invalid_type", "metadata.a"),
        ({"nonsense": 1}, "unknown_parameter", "nonsense"),
        ({"stream": True, "stream_options": {"x": 1}}, "unknown_parameter", "stream_options.x"),
        ({"model": None}, "invalid_type", "model"),
        ({"response_format": {"type": "xml"}}, "invalid_value", "response_format.type"),
        ({"service_tier": "gold"}, "invalid_value", "service_tier"),
        ({"tool_choice": "auto"}, "invalid_value", "tool_choice"),
        ({"parallel_tool_calls": True}, "invalid_value", "parallel_tool_calls"),
        ({"function_call": "auto"}, "invalid_value", "function_call"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "invalid_value", "tool_choice"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "a b"}}},
            "invalid_value",
            "tool_choice.function.name",
        ),
        (
            {"max_tokens": 1, "max_completion_tokens": 1},
            "invalid_parameter_combination",
            "max_tokens",
        ),
        (
            {"tools": TOOLS, "functions": [{"name": "f"}]},
            "invalid_parameter_combination",
            "tools",
        ),
    ],
)
async def test_chat_faults_have_openais_codes(
    gateway: Gateway, change: dict[str, Any], code: str, param: str
) -> None:
    response = await gateway.client.post(CHAT, json=chat() | change)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


async def test_what_is_missing_has_openais_code(gateway: Gateway) -> None:
    response = await gateway.client.post(CHAT, json={"model": "echo"})
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("missing_required_parameter", "messages")
    assert error["message"] == "Missing required parameter: 'messages'."


@pytest.mark.parametrize(
    ("path", "change", "param"),
    [
        (CHAT, {"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        (CHAT, {"modalities": ["text", "audio"]}, "modalities"),
        (CHAT, {"prediction": {"type": "content", "content": "one"}}, "prediction"),
        (CHAT, {"web_search_options": {}}, "web_search_options"),
        (CHAT, {"moderation": {"model": "x"}}, "moderation"),
        (CHAT, {"prompt_cache_options": {"ttl": "30m"}}, "prompt_cache_options"),
        (CHAT, {"reasoning_effort": "low"}, "reasoning_effort"),
        (CHAT, {"verbosity": "high"}, "verbosity"),
        (CHAT, {"store": True}, "store"),
        (CHAT, {"service_tier": "priority"}, "service_tier"),
        (
            CHAT,
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            "stream_options.include_obfuscation",
        ),
        (CHAT, {"messages": [{"role": "user", "content": [MUTE]}]}, "messages[0].content[0].type"),
        (
            CHAT,
            {"messages": [{"role": "assistant", "content": "a", "audio": {"id": "x"}}]},
            "messages[0].audio",
        ),
        (TEXT, {"echo": True}, "echo"),
        (TEXT, {"suffix": "end"}, "suffix"),
        (TEXT, {"best_of": 2}, "best_of"),
        (TEXT, {"prompt": ["one", "two"]}, "prompt"),
        (TEXT, {"prompt": [1, 2]}, "prompt"),
        (TEXT, {"prompt": [[1], [2]]}, "prompt"),
    ],
)
async def test_what_nothing_here_does_is_refused_by_name(
    gateway: Gateway, path: str, change: dict[str, Any], param: str
) -> None:
    body = (chat() if path == CHAT else text()) | change
    response = await gateway.client.post(path, json=body)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["param"]) == ("unsupported_parameter", param)


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u", "safety_identifier": "s" * 128, "prompt_cache_key": "k"},
        {"metadata": {"k" * 64: "v" * 512}},
        {"store": False, "modalities": ["text"], "verbosity": "medium"},
        {"prompt_cache_retention": "24h"},
        dict.fromkeys(("audio", "prediction", "reasoning_effort", "tools", "stop", "n", "seed")),
        {"tools": TOOLS, "parallel_tool_calls": True},
        {"top_p": 0, "temperature": 0, "stop": []},
    ],
)
async def test_what_changes_nothing_is_accepted(
    gateway: Gateway, target: Listening, fields: dict[str, Any]
) -> None:
    answer = await ask(gateway, CHAT, chat(**fields))
    assert answer["choices"][0]["message"]["content"] == "one"
    assert len(target.asked) == 1


@pytest.mark.parametrize(
    ("tier", "priority", "told"),
    [
        (None, "interactive", None),
        ("auto", "interactive", "default"),
        ("default", "interactive", "default"),
        ("flex", "batch", "flex"),
    ],
)
async def test_a_flexible_request_waits_behind_those_that_somebody_waits_for(
    gateway: Gateway, target: Listening, tier: str | None, priority: str, told: str | None
) -> None:
    answer = await ask(gateway, CHAT, chat(service_tier=tier))
    assert target.asked[0].priority == priority
    assert answer.get("service_tier") == told


async def test_when_an_answer_is_wanted_does_not_matter_to_the_cache(gateway: Gateway) -> None:
    await ask(gateway, CHAT, chat(temperature=0, service_tier="flex"))
    response = await gateway.client.post(CHAT, json=chat(temperature=0))
    assert response.headers["x-headrace-cache"] == "hit"


@pytest.mark.parametrize(("mode", "kept"), [("auto", ["sub"]), ("required", ["add", "mul"])])
async def test_only_the_allowed_tools_are_offered(
    gateway: Gateway, target: Listening, mode: str, kept: list[str]
) -> None:
    allowed = [tool for tool in TOOLS if tool["function"]["name"] in kept]  # type: ignore[index]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
    await ask(gateway, CHAT, chat(tools=TOOLS, tool_choice=choice))
    assert [tool.name for tool in target.asked[0].tools] == kept
    assert target.asked[0].tool_choice == mode


async def test_an_allowed_tool_must_be_one(gateway: Gateway) -> None:
    stranger = {"type": "function", "function": {"name": "div"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [stranger]}}
    response = await gateway.client.post(CHAT, json=chat(tools=TOOLS, tool_choice=choice))
    assert response.status_code == 400
    assert response.json()["error"]["message"].endswith("there is no tool div.")


async def test_an_answer_can_be_sent_back(gateway: Gateway, target: Listening) -> None:
    answer = (await ask(gateway, CHAT, chat()))["choices"][0]["message"]
    answer |= {"annotations": [], "audio": None, "function_call": None, "tool_calls": None}
    turns = [*chat()["messages"], answer, {"role": "user", "content": "two"}]
    await ask(gateway, CHAT, chat(messages=turns))
    assert target.asked[1].input == (
        Message("user", "one"),
        Message("assistant", "one"),
        Message("user", "two"),
    )


async def test_every_role_takes_parts_and_a_refusal_is_read(
    gateway: Gateway, target: Listening
) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    refused = [{"type": "refusal", "refusal": "no"}]
    roles = ("system", "developer", "user", "assistant")
    turns: list[dict[str, Any]] = [{"role": role, "content": parts} for role in roles]
    turns += [{"role": "assistant", "refusal": "never"}, {"role": "assistant", "content": refused}]
    await ask(gateway, CHAT, chat(messages=turns))
    contents = [turn.content for turn in target.asked[0].input if isinstance(turn, Message)]
    assert contents == ["ab", "ab", "ab", "ab", "never", "no"]


async def test_best_of_is_n_or_nothing(gateway: Gateway) -> None:
    answer = await ask(gateway, TEXT, text(n=2, best_of=2))
    assert len(answer["choices"]) == 2
    below = await gateway.client.post(TEXT, json=text(n=2, best_of=1))
    assert (below.status_code, below.json()["error"]["param"]) == (400, "best_of")


async def test_text_logprobs_say_where_their_tokens_begin() -> None:
    entries = [TokenLogprob(token, -0.5, token.encode()) for token in ("one", " two", "!")]

    class Telling(EchoTarget):
        async def generate(self, request_id: str, tenant: str, request: Any) -> Events:
            yield Started(ModelVersion("echo", "v1"), 0.0, 1)
            yield Delta(0, "one two", 2, tuple(entries[:2]))
            yield Delta(0, "!", 1, (entries[2],))
            yield Finished(ModelVersion("echo", "v1"), ("stop",), 1, 3)

    async with running_gateway(Telling()) as gateway:
        whole = await ask(gateway, TEXT, text(logprobs=0))
        streamed = await gateway.client.post(TEXT, json=text(logprobs=0, stream=True))
    logprobs = whole["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["one", " two", "!"]
    assert logprobs["text_offset"] == [0, 3, 7]
    assert '"text_offset":[0,3]' in streamed.text
    assert '"text_offset":[7]' in streamed.text


@pytest.mark.parametrize(
    ("path", "fields", "internal", "public"),
    [
        (CHAT, {"logprobs": True}, "top_logprobs", "logprobs"),
        (CHAT, {"logprobs": True, "top_logprobs": 2}, "top_logprobs", "top_logprobs"),
        (CHAT, {"max_completion_tokens": 1}, "max_tokens", "max_completion_tokens"),
        (CHAT, {"functions": [{"name": "f"}]}, "tools", "functions"),
        (CHAT, {"tools": TOOLS}, "tools", "tools"),
        (TEXT, {"logprobs": 1}, "top_logprobs", "logprobs"),
    ],
)
async def test_what_an_engine_refuses_is_named_as_the_caller_wrote_it(
    path: str, fields: dict[str, Any], internal: str, public: str
) -> None:
    def refuse() -> Delta:
        message = f"{internal}: this model cannot honour it"
        raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, message, param=internal)

    class Refusing(EchoTarget):
        async def generate(self, request_id: str, tenant: str, request: Any) -> Events:
            yield refuse()

    async with running_gateway(Refusing()) as gateway:
        body = chat(**fields) if path == CHAT else text(**fields)
        response = await gateway.client.post(path, json=body)
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("unsupported_parameter", public)
    assert error["message"] == f"{public}: this model cannot honour it"


async def test_a_model_tells_what_it_can_in_a_field_of_our_own(gateway: Gateway) -> None:
    card = (await gateway.client.get("/v1/models/echo")).json()
    assert sorted(card) == ["created", "headrace", "id", "object", "owned_by"]
    assert card["headrace"] == {
        "version": "v1",
        "context_tokens": 2048,
        "generates": True,
        "embedding_dimensions": None,
        "parameters": [],
    }
