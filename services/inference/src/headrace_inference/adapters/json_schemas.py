"""Says no to JSON schemas and grammars that llama.cpp would silently ignore."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from llguidance import LLMatcher

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.grammars import check_grammar, fits, grammar_of
from headrace_inference.adapters.schema_text import parse_schema
from headrace_inference.domain.events import ChoiceFinished, Delta, EngineEvent, FinishReason
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonSchema,
    Regex,
    ResponseFormat,
)

PARAM = "response_format.json_schema"
COMPILE_SECONDS = 2.0
VERIFY_SECONDS = 10.0
MAXIMUM_REPEATS = 100_000
REPEATS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


class SchemaChecker:
    """Checks one schema or grammar at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "json schema")

    async def check(self, schema: str, param: str = PARAM) -> None:
        """Raise INVALID_FIELD for a schema that cannot be enforced, or not be checked in time."""
        await self._compile(param, check_schema, schema, param)

    async def check_form(self, form: ResponseFormat | None) -> None:
        """The same for the form of an answer."""
        match form:
            case JsonSchema(schema):
                await self.check(schema)
            case Regex() | Grammar():
                await self._compile("response_format", check_grammar, form)

    async def verified(
        self, request: GenerationRequest, events: AsyncIterator[EngineEvent]
    ) -> AsyncGenerator[EngineEvent, None]:
        """The same events; raises ENGINE_FAILED for a choice that ends without the form asked for.

        llama.cpp goes on without a grammar that outgrows the compiler's limits, and only logs it.
        """
        texts: defaultdict[int, str] = defaultdict(str)
        async for event in events:
            if isinstance(event, Delta):
                texts[event.choice] += event.text
            elif isinstance(event, ChoiceFinished) and request.response_format is not None:
                whole = event.reason is FinishReason.STOP and not request.sampling.stop
                await self._require_fit(request.response_format, texts[event.choice], whole)
            yield event

    async def _require_fit(self, form: ResponseFormat, text: str, whole: bool) -> None:
        check = partial(fits, form, text, whole=whole)
        work = asyncio.get_running_loop().run_in_executor(self._thread, check)
        try:
            async with asyncio.timeout(VERIFY_SECONDS):
                good = await work
        except TimeoutError as error:
            message = f"the answer's response_format was not checked within {VERIFY_SECONDS:g} s"
            raise HeadraceError(Reason.ENGINE_FAILED, message) from error
        if not good:
            message = "the answer lost its response_format, which is too complex for this engine"
            raise HeadraceError(Reason.ENGINE_FAILED, message)

    async def _compile(self, param: str, check: Callable[..., None], *given: Any) -> None:
        work = asyncio.get_running_loop().run_in_executor(self._thread, check, *given)
        try:
            async with asyncio.timeout(COMPILE_SECONDS):
                await work
        except TimeoutError as error:
            message = f"{param} takes longer than {COMPILE_SECONDS:g} s to compile"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param) from error

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def check_schema(schema: str, param: str = PARAM) -> None:
    """Raise INVALID_FIELD for what is no JSON Schema, or one that cannot be enforced in full.

    llama.cpp compiles schemas with llguidance, and when that fails it only logs and generates free
    text. So the same compiler is asked first.
    """
    _check_repeats(parse_schema(schema, param), 1, param)
    complaint = LLMatcher.validate_grammar(grammar_of(JsonSchema(schema)), None)
    if complaint:
        what = complaint.splitlines()[0].rpartition("failed to compile JSON schema: ")[2]
        raise HeadraceError(
            Reason.INVALID_FIELD, f"{param} cannot be enforced: {what}", param=param
        )


def _check_repeats(node: Any, times: int, param: str) -> None:
    """Refuse repeats that multiply, along any path, to more than MAXIMUM_REPEATS.

    The compiler accepts them, but running them takes time and memory in proportion.
    """
    if isinstance(node, list):
        for child in node:
            _check_repeats(child, times, param)
    if not isinstance(node, dict):
        return
    bounds = [node[name] for name in REPEATS if isinstance(node.get(name), int | float)]
    times *= max(1, *bounds) if bounds else 1
    if times > MAXIMUM_REPEATS:
        raise HeadraceError(
            Reason.INVALID_FIELD,
            f"{param} repeats something more than {MAXIMUM_REPEATS} times ({', '.join(REPEATS)})",
            param=param,
        )
    for child in node.values():
        _check_repeats(child, times, param)
