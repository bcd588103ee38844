"""Whatever is changed in a signed answer or its request, the documented verifier notices."""

import base64
import copy
import json
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from tests.stack.signed_answers import (
    FULL,
    OTHER_SEED,
    TOOL,
    Json,
    ask,
    documented_verifier,
    published,
    signing_gateway,
)

from headrace_inference.adapters.answer_signer import base64url

verify = documented_verifier()
Signed = tuple[Json, Json]
Change = Callable[[Json], None]


def change_claims(token: str, **claims: object) -> Change:
    """Another claim under the old signature."""

    def change(answer: Json) -> None:
        signature = answer["headrace"]["signature"]
        header, payload, proof = signature[token].split(".")
        known = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        changed = base64url(json.dumps({**known, **claims}).encode())
        signature[token] = f"{header}.{changed}.{proof}"

    return change


def change_proof(token: str, at: int) -> Change:
    def change(answer: Json) -> None:
        signature = answer["headrace"]["signature"]
        head, proof = signature[token].rsplit(".", 1)
        signature[token] = f"{head}.{proof[:at]}{'A' if proof[at] != 'A' else 'B'}{proof[at + 1 :]}"

    return change


def swap_tokens(answer: Json) -> None:
    signature = answer["headrace"]["signature"]
    signature["statement"] = signature["certificate"]


ANSWER_CHANGES: dict[str, Change] = {
    "text": lambda answer: answer["choices"][0]["message"].update(content="one"),
    "reason": lambda answer: answer["choices"][1].update(finish_reason="stop"),
    "choice": lambda answer: answer["choices"].pop(),
    "order": lambda answer: (
        answer["choices"].reverse() or answer["choices"][0]["message"].update(content="One two")
    ),
    "id": lambda answer: answer.update(id=answer["id"][:-1] + "!"),
    "model": lambda answer: answer.update(model="other"),
    "weights": lambda answer: answer.update(system_fingerprint="fp_000000000000"),
    "tool calls": lambda answer: answer["choices"][0]["message"].update(
        tool_calls=[{"id": "1", "function": {"name": "f", "arguments": "{}"}}]
    ),
    "time": change_claims("statement", iat=1),
    "digest": change_claims("statement", answer_digest="0" * 64),
    "expiry": change_claims("certificate", exp=2**40),
    "another key": change_claims("certificate", cnf={"jwk": {"x": "A" * 43}}),
    "statement": change_proof("statement", 0),
    "certificate": change_proof("certificate", 40),
    "tokens": swap_tokens,
}
BODY_CHANGES: Json = {
    "messages": [*FULL["messages"][:-1], {**FULL["messages"][-1], "content": "one two  three"}],
    "max_completion_tokens": 3,
    "temperature": 0.70000001,
    "top_p": 0.8,
    "seed": 2**63 - 1,
    "stop": ["never", "ever"],
    "frequency_penalty": 0.2,
    "presence_penalty": 1,
    "logit_bias": {"7": 1, "13": -0.5},
    "n": 1,
    "logprobs": False,
    "top_logprobs": 1,
    "response_format": {"type": "json_object"},
    "tools": [{"type": "function", "function": TOOL}],
    "tool_choice": "required",
    "model": "other",
}


@pytest.fixture
async def signed() -> Signed:
    """A signed answer to FULL, and the keys."""
    async with signing_gateway() as client:
        return await ask(client, FULL), await published(client)


@pytest.mark.parametrize("change", ANSWER_CHANGES.values(), ids=ANSWER_CHANGES.keys())
async def test_a_changed_answer_does_not_verify(signed: Signed, change: Change) -> None:
    answer, keys = copy.deepcopy(signed)
    assert verify(FULL, answer, keys)
    change(answer)
    with pytest.raises((InvalidSignature, ValueError)):
        verify(FULL, answer, keys)


@pytest.mark.parametrize("field", BODY_CHANGES)
async def test_the_answer_to_another_body_does_not_verify(signed: Signed, field: str) -> None:
    answer, keys = signed
    with pytest.raises(ValueError, match="of another request or answer"):
        verify({**FULL, field: BODY_CHANGES[field]}, answer, keys)


async def test_the_key_of_another_platform_does_not_vouch(
    signed: Signed,
) -> None:
    answer, keys = signed
    async with signing_gateway(OTHER_SEED) as client:
        others = await published(client)
    with pytest.raises(StopIteration):
        verify(FULL, answer, others)
    lying = {"keys": [{**others["keys"][0], "kid": keys["keys"][0]["kid"]}]}
    with pytest.raises(InvalidSignature):
        verify(FULL, answer, lying)


async def test_the_key_of_another_model_does_not_vouch(signed: Signed) -> None:
    answer, keys = copy.deepcopy(signed)
    keys["keys"][0]["headrace_models"] = ["other"]
    with pytest.raises(ValueError, match="of another request or answer"):
        verify(FULL, answer, keys)
