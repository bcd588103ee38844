"""The official `openai` client against the running stack and the real model."""

import json
import time
from itertools import pairwise

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from headrace_local.access import Access
from headrace_local.components import EMBEDDING_MODEL_ID, MODEL_ID


def _ask(question: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": question}]


def test_the_model_answers_with_sense_over_https(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL_ID, messages=_ask("Why is the sky blue?"), temperature=0, max_tokens=40
    )
    assert "light" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 40


def test_tokens_arrive_while_the_model_writes(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL_ID,
        messages=_ask("Tell me a long story about a river and its people."),
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=100,
        temperature=0,
    )
    arrivals, usage = [], None
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            arrivals.append(time.monotonic())
        usage = chunk.usage or usage
    assert usage is not None
    assert usage.completion_tokens == 100
    # Tokens of 50 ms come together; an answer that is kept to its end is one burst.
    bursts = 1 + sum(later - earlier > 0.001 for earlier, later in pairwise(arrivals))
    assert bursts > 3, "the chunks came all at once"


def test_the_same_deterministic_request_is_answered_from_the_cache(client: openai.OpenAI) -> None:
    answers = [
        client.chat.completions.with_raw_response.create(
            model=MODEL_ID, messages=_ask("Name three rivers."), temperature=0, max_tokens=20
        )
        for _ in range(2)
    ]
    assert [answer.headers["x-headrace-cache"] for answer in answers] == ["miss", "hit"]
    first, second = (answer.parse() for answer in answers)
    assert first.choices == second.choices
    assert first.usage == second.usage
    assert first.id != second.id


def test_a_cached_answer_streams_too(client: openai.OpenAI) -> None:
    question = _ask("Name two mountains.")
    whole = client.chat.completions.create(
        model=MODEL_ID, messages=question, temperature=0, max_tokens=20
    )
    with client.chat.completions.with_streaming_response.create(
        model=MODEL_ID, messages=question, temperature=0, max_tokens=20, stream=True
    ) as response:
        assert response.headers["x-headrace-cache"] == "hit"
        pieces = [
            chunk.choices[0].delta.content or "" for chunk in response.parse() if chunk.choices
        ]
    assert "".join(pieces) == whole.choices[0].message.content


def test_a_text_is_completed(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL_ID, prompt="One, two, three, four,", max_tokens=8, temperature=0
    )
    assert "five" in answer.choices[0].text


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL_ID,
        prompt="One, two, three, four,",
        max_tokens=30,
        temperature=0,
        stop=["seven"],
    )
    assert "six" in answer.choices[0].text
    assert "seven" not in answer.choices[0].text
    assert answer.choices[0].finish_reason == "stop"


def test_a_json_schema_shapes_the_answer(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=MODEL_ID,
        messages=_ask("What is the capital of France? Answer in JSON."),
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema}},
        max_tokens=40,
    )
    assert json.loads(answer.choices[0].message.content or "")["city"] in {"Paris", "Rome"}


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [EMBEDDING_MODEL_ID, MODEL_ID]
    assert client.models.retrieve(MODEL_ID).owned_by == "headrace"


def test_a_wrong_key_is_an_authentication_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="hr_wrong").models.list()
    assert caught.value.code == "invalid_api_key"
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_model_is_a_not_found_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-0", messages=_ask("Hi"))
    assert caught.value.code == "model_not_found"


def test_a_prompt_that_does_not_fit_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL_ID, messages=_ask("word " * 30_000))
    assert caught.value.code == "context_length_exceeded"


def test_what_the_engine_cannot_do_is_refused_by_name(client: openai.OpenAI) -> None:
    tool: ChatCompletionToolParam = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object"}},
    }
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL_ID, messages=_ask("Hi"), tools=[tool])
    assert caught.value.code == "unsupported_parameter"
    assert caught.value.param == "tools"


def test_the_certificate_is_checked(access: Access) -> None:
    with (
        openai.OpenAI(
            base_url=f"{access.url}/v1", api_key=access.api_key, max_retries=0
        ) as stranger,
        pytest.raises(openai.APIConnectionError),
    ):
        stranger.models.list()
