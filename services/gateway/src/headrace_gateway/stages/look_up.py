"""look up: the answer that was given before, if the request always has the same one."""

from contextlib import aclosing

from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.completion import (
    Answer,
    AnswerBuilder,
    CompletionRequest,
    Delta,
    Events,
    Finished,
    Started,
    ToolCallPart,
)
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.fingerprint import request_digest
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import AnswerKey, AnswerStore


class LookUp:
    """Asks and fills the cache; a cache that is down, slow or wrong is skipped."""

    def __init__(self, store: AnswerStore) -> None:
        self._store = store

    async def run(
        self, exchange: Exchange, principal: Principal, request: CompletionRequest
    ) -> Answer | None:
        """The cached answer, or None; says which in `exchange.cache_status`."""
        if not request.sampling.is_deterministic:
            exchange.cache_status = "bypass"
            return None
        exchange.request_digest = request_digest(request)
        try:
            answer = await self._store.look_up(_key(exchange, principal, request))
        except HeadraceError as error:
            get_logger().warning("cache_skipped", reason=error.reason.value)
            exchange.cache_status = "bypass"
            return None
        exchange.cache_status = "hit" if answer else "miss"
        return answer

    def keep(
        self, exchange: Exchange, principal: Principal, request: CompletionRequest, events: Events
    ) -> Events:
        """The same events; if they are an answer that was missed, it is stored once it is whole."""
        if exchange.cache_status != "miss":
            return events
        return self._kept(exchange, principal, request, events)

    async def _kept(
        self, exchange: Exchange, principal: Principal, request: CompletionRequest, events: Events
    ) -> Events:
        built = AnswerBuilder()
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Delta):
                    built.add(event)
                yield event
                if isinstance(event, Finished) and _may_be_given_again(exchange, event):
                    key = _key(exchange, principal, request)
                    await self._store_answer(key, built.finish(event))

    async def _store_answer(self, key: AnswerKey, answer: Answer) -> None:
        """Under the version that gave it."""
        try:
            await self._store.store(key, answer)
        except HeadraceError as error:
            get_logger().warning("cache_not_filled", reason=error.reason.value)


async def replay(answer: Answer) -> Events:
    """A cached answer as the events of a fresh one."""
    yield Started(answer.model, queue_seconds=0.0, prompt_tokens=answer.prompt_tokens)
    for index, choice in enumerate(answer.choices):
        calls = tuple(
            ToolCallPart(number, call.arguments, call.id, call.name)
            for number, call in enumerate(choice.tool_calls)
        )
        delta = Delta(index, choice.text, 0, choice.logprobs, calls)
        if delta.tells:
            yield delta
    reasons = tuple(choice.finish_reason for choice in answer.choices)
    yield Finished(answer.model, reasons, answer.prompt_tokens, answer.completion_tokens)


def _may_be_given_again(exchange: Exchange, finished: Finished) -> bool:
    return not exchange.cut_by and "content_filter" not in finished.finish_reasons


def _key(exchange: Exchange, principal: Principal, request: CompletionRequest) -> AnswerKey:
    return AnswerKey(
        organization_id=principal.organization_id,
        model=request.model,
        model_version=exchange.model_version,
        guard_policy_version=exchange.guard_policy_version,
        request_digest=exchange.request_digest,
    )
