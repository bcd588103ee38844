"""A grammar that outgrows the compiler's limits fails its own answer, in both ways to batch."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import Batching, TransformersOptions
from headrace_inference.domain.requests import JsonSchema
from headrace_inference.testing import collect, question, request_for

GROWING = JsonSchema(json.dumps({"type": "string", "pattern": "^((a{1,300}){1,300}b?){1,300}$"}))
"""Compiles, and is given up after some thirty characters."""


@pytest.mark.parametrize("batching", ["slots", "manager"])
async def test_a_form_that_is_lost_fails_its_own_answer_alone(
    model: Path, batching: Batching
) -> None:
    options = TransformersOptions(
        str(model), 4, 512, threads=1, device="cpu", dtype="fp32", batching=batching
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    letter = (await engine.tokenize("a"))[-1]
    asked = request_for("a", max_tokens=100, choices=2, logit_bias={letter: 100.0})
    lost, kept = await asyncio.gather(
        collect(engine, replace(asked, response_format=GROWING)),
        collect(engine, question("Tell a story.", max_tokens=50)),
        return_exceptions=True,
    )
    await engine.close()
    assert isinstance(lost, HeadraceError)
    assert lost.reason is Reason.ENGINE_FAILED
    assert lost.message.startswith("the answer lost its response_format")
    assert not isinstance(kept, BaseException)
    assert kept.finished[0].tokens == 50
