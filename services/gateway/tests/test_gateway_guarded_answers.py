"""Guarded answers as callers get them: whole and streamed, of both endpoints, in all parts."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.adapters.policy_yaml import read_policies
from headrace_gateway.domain.completion import (
    AnswerSignature,
    CompletionRequest,
    Delta,
    Event,
    Events,
    Finished,
    FinishReason,
    ModelVersion,
    Started,
    TokenLogprob,
    ToolCallPart,
)
from headrace_gateway.domain.policy_book import PolicyBook
from headrace_gateway.testing.gateway import Gateway, running_gateway

SECRET = "AKIA" + "Z7" * 8
MAIL = "ann@example.com"
TEXT = f"My key: {SECRET}. Mail {MAIL}, 谢谢!"
MODEL = ModelVersion("echo", "v1")
CHAT, TEXTS = "/v1/chat/completions", "/v1/completions"
QUESTIONS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}], "logprobs": True, "top_logprobs": 1},
    TEXTS: {"prompt": "hi", "logprobs": 1},
}


def policies(action: str) -> PolicyBook:
    names = ("aws-access-key", "email")
    rules = [f"      - {{id: {name}, detector: {name}, action: {action}}}" for name in names]
    text = "version: 1\npolicies:\n  default:\n    rules:\n" + "\n".join(rules)
    return read_policies(text.encode(), "guard.yaml", maximum_prompt_characters=10_000)


@dataclass
class Saying(EchoTarget):
    """Says a text to each choice, cut as `cut` says, and describes each piece as a token."""

    text: str
    cut: Callable[[str], list[str]]
    asked: list[CompletionRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.asked.append(request)
        choices = range(request.sampling.choices)
        yield Started(MODEL, queue_seconds=0.0, prompt_tokens=1)
        for piece in self.cut(self.text):
            for choice in choices:
                yield self.delta(choice, piece)
        signature = AnswerSignature("statement", "certificate")
        reason: FinishReason = "stop"
        yield Finished(MODEL, (reason,) * len(choices), 1, 2, signature)

    def delta(self, choice: int, piece: str) -> Event:
        rival = TokenLogprob(f"{SECRET} instead", -2.0, b"")
        return Delta(choice, piece, 1, (TokenLogprob(piece, -1.0, piece.encode(), (rival,)),))


class Calling(Saying):
    """Says it as the arguments of a call."""

    def delta(self, choice: int, piece: str) -> Event:
        return Delta(choice, "", 1, (), (ToolCallPart(0, piece, "c1", "f"),))


def cut_at(places: tuple[int, ...]) -> Callable[[str], list[str]]:
    def cut(text: str) -> list[str]:
        return [text[a:b] for a, b in zip((0, *places), (*places, len(text)), strict=True)]

    return cut


async def ask(gateway: Gateway, path: str, *, stream: bool, choices: int) -> list[Any]:
    """The body of a whole answer, or the chunks of a stream."""
    body = QUESTIONS[path] | {"model": "echo", "stream": stream, "n": choices}
    response = await gateway.client.post(path, json=body)
    assert response.status_code == 200
    if not stream:
        return [response.json()]
    lines = response.text.strip().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def texts(bodies: list[Any], choices: int) -> list[str]:
    found = [""] * choices
    for choice in (each for body in bodies for each in body["choices"]):
        said = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        found[choice["index"]] += said.get("content") or ""
    return found


def tokens(bodies: list[Any], choice: int) -> str:
    """The tokens that log probabilities were told of, put together."""
    told = [each for body in bodies for each in body["choices"] if each["index"] == choice]
    logprobs = [each["logprobs"] for each in told if each["logprobs"]]
    if logprobs and "content" in logprobs[0]:
        return "".join(entry["token"] for each in logprobs for entry in each["content"])
    return "".join(token for each in logprobs for token in each["tokens"])


def expect_nothing_of(secret: str, bodies: list[Any]) -> None:
    written = json.dumps(bodies, ensure_ascii=False)
    assert not any(secret[at : at + 5] in written for at in range(len(secret) - 4))
    numbers = json.dumps(list(secret.encode()))[1:-1]
    assert numbers not in written


def all_cuts(text: str) -> list[tuple[int, ...]]:
    """At each place once, at all of them, and nowhere."""
    places = range(1, len(text))
    return [*((place,) for place in places), tuple(places), ()]


CUTS = all_cuts(TEXT)


@pytest.mark.parametrize("path", [CHAT, TEXTS])
@pytest.mark.parametrize("stream", [True, False])
async def test_no_byte_of_a_secret_leaves_wherever_the_answer_is_cut(
    path: str, stream: bool
) -> None:
    target = Saying(TEXT, list)
    async with running_gateway(target, policies=policies("block")) as it:
        for target.cut in map(cut_at, CUTS):
            bodies = await ask(it, path, stream=stream, choices=2)
            expect_nothing_of(SECRET, bodies)
            expect_nothing_of(MAIL, bodies)
            first, second = texts(bodies, 2)
            assert first == "My key: "
            assert first.startswith(second)
            assert first.startswith(tokens(bodies, 0))
            assert it.events.exchanges[-1].guard_decisions == ["output:aws-access-key:block"]
            assert bodies[-1]["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("path", [CHAT, TEXTS])
@pytest.mark.parametrize("stream", [True, False])
async def test_masks_stand_in_the_same_place_wherever_the_answer_is_cut(
    path: str, stream: bool
) -> None:
    target = Saying(TEXT, list)
    async with running_gateway(target, policies=policies("mask")) as it:
        for places in CUTS:
            target.cut = cut_at(places)
            bodies = await ask(it, path, stream=stream, choices=2)
            expect_nothing_of(SECRET, bodies)
            expect_nothing_of(MAIL, bodies)
            assert texts(bodies, 2) == ["My key: [aws-access-key]. Mail [email], 谢谢!"] * 2
            assert "headrace" not in bodies[-1]
            decisions = ["output:aws-access-key:mask", "output:email:mask"]
            assert it.events.exchanges[-1].guard_decisions == decisions
            if len(places) > 1:
                assert tokens(bodies, 0) == "My key: . Mail , 谢谢!"


@pytest.mark.parametrize("action", ["mask", "block"])
@pytest.mark.parametrize("stream", [True, False])
async def test_arguments_of_calls_are_screened_wherever_they_are_cut(
    action: str, stream: bool
) -> None:
    text = json.dumps({"to": MAIL, "钥": SECRET})
    target = Calling(text, list)
    async with running_gateway(target, policies=policies(action)) as it:
        for target.cut in map(cut_at, all_cuts(text)):
            bodies = await ask(it, CHAT, stream=stream, choices=1)
            expect_nothing_of(SECRET, bodies)
            expect_nothing_of(MAIL, bodies)
            said = [each.get("delta") or each.get("message") for each in bodies[-1]["choices"]]
            written = json.dumps([bodies, said], ensure_ascii=False)
            assert ("[email]" in written) == (action == "mask")
            decided = it.events.exchanges[-1].guard_decisions
            assert f"output:email:{action}" in decided


@pytest.mark.parametrize("action", ["mask", "block"])
@pytest.mark.parametrize("stream", [True, False])
async def test_tokens_of_a_call_tell_nothing_of_what_is_hidden_in_its_arguments(
    action: str, stream: bool
) -> None:
    class Described(Calling):
        def delta(self, choice: int, piece: str) -> Event:
            described = TokenLogprob(piece, -1.0, piece.encode())
            return Delta(choice, "", 1, (described,), (ToolCallPart(0, piece, "c1", "f"),))

    text = json.dumps({"to": MAIL, "key": SECRET})
    target = Described(text, cut_at(tuple(range(3, len(text), 3))))
    async with running_gateway(target, policies=policies(action)) as it:
        bodies = await ask(it, CHAT, stream=stream, choices=1)
        hidden = tokens(bodies, 0)
        target.text = '{"to": "nobody"}'
        shown = tokens(await ask(it, CHAT, stream=stream, choices=1), 0)
    assert MAIL[:6] not in hidden
    assert SECRET[:6] not in hidden
    assert shown == target.text


async def test_an_unaltered_answer_keeps_its_signature_and_all_its_tokens() -> None:
    plain = "Nothing to hide, 谢谢!"
    async with running_gateway(Saying(plain, list), policies=policies("mask")) as it:
        bodies = await ask(it, CHAT, stream=True, choices=1)
    assert texts(bodies, 1) == [plain]
    assert tokens(bodies, 0) == plain
    assert "signature" in bodies[-1]["headrace"]
    assert SECRET not in json.dumps(bodies)


async def test_a_masked_prompt_reaches_model_and_cache_masked_and_ends_the_signature() -> None:
    target = Saying("fine", list)
    body = {"model": "echo", "messages": [{"role": "user", "content": f"I am {MAIL}"}]}
    async with running_gateway(target, policies=policies("mask")) as it:
        answer = (await it.client.post(CHAT, json=body | {"temperature": 0})).json()
        again = await it.client.post(CHAT, json=body | {"temperature": 0})
        assert it.events.exchanges[1].cache_status == "hit"
        assert it.events.exchanges[1].guard_decisions == ["prompt:email:mask"]
    assert again.json()["choices"] == answer["choices"]
    assert [list(asked.texts()) for asked in target.asked] == [["I am [email]"]]
    assert "headrace" not in answer


async def test_a_stream_keeps_the_policy_that_it_began_with() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Pausing(Saying):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(MODEL, queue_seconds=0.0, prompt_tokens=1)
            begun.set()
            await go_on.wait()
            yield Delta(0, f"Mail {MAIL}", 1)
            yield Finished(MODEL, ("stop",), 1, 1)

    async with running_gateway(Pausing("", list), policies=policies("mask")) as it:
        first = asyncio.create_task(ask(it, CHAT, stream=True, choices=1))
        await begun.wait()
        it.guard_policies.book = policies("flag")
        go_on.set()
        assert texts(await first, 1) == ["Mail [email]"]
        assert texts(await ask(it, CHAT, stream=True, choices=1), 1) == [f"Mail {MAIL}"]
        versions = [exchange.guard_policy_version for exchange in it.events.exchanges]
    assert versions == [policies(action).default.version for action in ("mask", "flag")]


async def test_decisions_are_counted_by_rule_and_action() -> None:
    async with running_gateway(Saying(TEXT, list), policies=policies("mask")) as it:
        for _ in range(3):
            await ask(it, CHAT, stream=True, choices=2)
        labels = {"side": "output", "rule": "email", "action": "mask"}
        counted = it.registry.get_sample_value("headrace_gateway_guard_decisions_total", labels)
    assert counted == 3


@pytest.mark.parametrize("action", ["block", "mask", "flag"])
async def test_what_was_matched_is_in_no_log_error_metric_or_event(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": TEXT}], "stream": True}
    async with running_gateway(Saying(TEXT, list), policies=policies(action)) as it:
        response = await it.client.post(CHAT, json=body)
        await ask(it, TEXTS, stream=False, choices=1)
        told = [exchange.guard_decisions for exchange in it.events.exchanges]
        errors = [str(exchange.error) for exchange in it.events.exchanges]
        metrics = [sample for metric in it.registry.collect() for sample in metric.samples]
    sinks = f"{told}{errors}{metrics}{capsys.readouterr()}"
    if action == "block":
        sinks += response.text
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "content_policy_violation"
    assert all(decision.endswith(action) for decision in told[0])
    assert SECRET[:8] not in sinks
    assert MAIL not in sinks


async def test_flags_of_an_answer_that_breaks_off_are_told_of_what_has_left() -> None:
    class Breaking(Saying):
        def delta(self, choice: int, piece: str) -> Event:
            if piece == "谢":
                raise ConnectionError("gone")
            return super().delta(choice, piece)

    async with running_gateway(Breaking(TEXT, list), policies=policies("flag")) as it:
        body = QUESTIONS[CHAT] | {"model": "echo", "stream": True}
        await it.client.post(CHAT, json=body)
        decided = it.events.exchanges[0].guard_decisions
    assert decided == ["output:aws-access-key:flag", "output:email:flag"]
