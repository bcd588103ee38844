"""Says no to forms of answers that cannot be enforced, and to answers that lose theirs."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.grammar_process import GrammarProcess, TooHeavyError
from headrace_inference.adapters.forms.grammars import check_directives, grammar_of
from headrace_inference.adapters.forms.repeats import check_repeats
from headrace_inference.adapters.forms.schema_text import parse_schema
from headrace_inference.domain.events import ChoiceFinished, Delta, EngineEvent, FinishReason
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonSchema,
    Regex,
    ResponseFormat,
)

PARAM = "response_format.json_schema"
COMPILE_SECONDS = 2
VERIFY_SECONDS = 5
"""Of the processor."""


class FormChecker:
    """Checks schemas and grammars in one process, and answers in another.

    Each is killed for what takes too long or too much memory. What passes is compiled once more by
    the engine itself, at about the same cost.
    """

    def __init__(self) -> None:
        self._compiler = GrammarProcess(COMPILE_SECONDS)
        self._verifier = GrammarProcess(VERIFY_SECONDS)

    async def check(self, schema: str, tenant: str, param: str = PARAM) -> None:
        """Raise INVALID_FIELD for a schema that cannot be enforced, or takes too much to compile.

        llama.cpp compiles schemas with llguidance, and when that fails it only logs and generates
        free text. So the same compiler is asked first. Raises QUEUE_FULL if too many are.
        """
        check_repeats(parse_schema(schema, param), param)
        await self._compile(grammar_of(JsonSchema(schema)), tenant, param)

    async def check_calls(self, grammar: str, names: Sequence[str], tenant: str) -> None:
        """The same for the grammar of a call of one of these tools.

        Tools whose schemas compile one by one may be too much together.
        """
        said = f"tools ({', '.join(names)} together)"
        await self._compile(grammar, tenant, "tools", said)

    async def check_form(self, form: ResponseFormat | None, tenant: str) -> None:
        """The same for the form of an answer."""
        match form:
            case JsonSchema(schema):
                await self.check(schema, tenant)
            case Regex():
                await self._compile(grammar_of(form), tenant, "response_format.regex")
            case Grammar():
                param = "response_format.grammar"
                check_directives(form, param)
                await self._compile(grammar_of(form), tenant, param)

    async def verified(
        self, request: GenerationRequest, events: AsyncGenerator[EngineEvent, None]
    ) -> AsyncGenerator[EngineEvent, None]:
        """The same events; raises ENGINE_FAILED for a choice that ends without the form asked for.

        llama.cpp goes on without a grammar that outgrows the compiler's limits, and only logs it.
        """
        texts: defaultdict[int, str] = defaultdict(str)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Delta):
                    texts[event.choice] += event.text
                elif isinstance(event, ChoiceFinished):
                    whole = event.reason is FinishReason.STOP and not request.sampling.stop
                    await self._require_fit(request, texts[event.choice], whole)
                yield event

    async def close(self) -> None:
        """End the processes."""
        await self._compiler.close()
        await self._verifier.close()

    async def _require_fit(self, request: GenerationRequest, text: str, whole: bool) -> None:
        if request.response_format is None:
            return
        grammar, tenant = grammar_of(request.response_format), request.organization_id
        try:
            good = await self._verifier.fits(grammar, text, whole=whole, tenant=tenant)
        except (TooHeavyError, HeadraceError) as error:
            message = "the answer's response_format could not be checked in time"
            raise HeadraceError(Reason.ENGINE_FAILED, message) from error
        if not good:
            message = "the answer lost its response_format, which is too complex for this engine"
            raise HeadraceError(Reason.ENGINE_FAILED, message)

    async def _compile(self, grammar: str, tenant: str, param: str, said: str = "") -> None:
        said = said or param
        try:
            complaint = await self._compiler.complaint_of(grammar, tenant)
        except TooHeavyError as error:
            message = f"{said} takes too much time or memory to compile"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param) from error
        if complaint:
            what = complaint.rpartition("failed to compile JSON schema: ")[2]
            message = f"{said} cannot be enforced: {what}"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param)
