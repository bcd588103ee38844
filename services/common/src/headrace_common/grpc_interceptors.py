"""What every gRPC call gets: errors as statuses, one log line, and metrics; unary and streaming."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from inspect import iscoroutine
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import STATUS_OF_KIND, to_trailing_metadata
from headrace_common.logs import get_logger
from headrace_common.metrics import LATENCY_SECONDS

Around = Callable[[str, Any], AbstractAsyncContextManager[None]]
"""Wraps one call; gets the method's full name and the servicer context."""


REQUEST_ID_KEY = "x-request-id"
STATUS_SECONDS = 1.0
"""For a status to leave; whoever does not read must not hold a call for it."""


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """Runs async context managers around each call, the first one outermost; any shape of call."""

    def __init__(self, *arounds: Around) -> None:
        self._arounds = arounds
        # gRPC asks at each call; there are as many as there are methods, and they do not change.
        self._wrapped: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        wrapped = self._wrapped.get(details.method)
        if wrapped is None:
            handler = await continuation(details)
            if handler is None:
                return None
            for around in reversed(self._arounds):
                handler = _wrap(handler, around, details.method)
            wrapped = self._wrapped[details.method] = handler
        return wrapped


def _wrap(handler: Any, around: Around, method: str) -> Any:
    async def unary(request: Any, context: Any) -> Any:
        async with around(method, context):
            return await call(request, context)

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        async with around(method, context):
            responses = call(request, context)
            if iscoroutine(responses):  # gRPC's own health Watch writes instead of yielding
                await responses
                return
            async with aclosing(responses):
                async for response in responses:
                    yield response

    serializers = {
        "request_deserializer": handler.request_deserializer,
        "response_serializer": handler.response_serializer,
    }
    if handler.unary_unary:
        call = handler.unary_unary
        return grpc.unary_unary_rpc_method_handler(unary, **serializers)
    if handler.unary_stream:
        call = handler.unary_stream
        return grpc.unary_stream_rpc_method_handler(stream, **serializers)
    if handler.stream_stream:  # gRPC's own reflection service
        call = handler.stream_stream
        return grpc.stream_stream_rpc_method_handler(stream, **serializers)
    return handler


@asynccontextmanager
async def report_errors(method: str, context: Any) -> AsyncIterator[None]:
    """Turn what a servicer raises into a status; the unexpected is logged and told as INTERNAL."""
    try:
        yield
    except HeadraceError as error:
        await _abort(context, error)
    except grpc.aio.AbortError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line before the wire
        get_logger().error("unexpected_error", method=method, exc_info=error)
        await _abort(context, HeadraceError(Reason.INTERNAL, "internal error"))


def log_calls(clock: Clock, quiet: tuple[str, ...] = ()) -> Around:
    """One line per call, with its status and duration.

    Methods that begin with one of `quiet` are logged only when they fail.
    """
    log = get_logger()

    @asynccontextmanager
    async def around(method: str, context: Any) -> AsyncIterator[None]:
        started = clock.monotonic()
        ending: BaseException | None = None
        try:
            yield
        except BaseException as error:
            ending = error
            raise
        finally:
            code = _code_name(context, ending)
            if code != "OK" or not method.startswith(quiet):
                duration_ms = round((clock.monotonic() - started) * 1000, 2)
                log.info(
                    "call",
                    method=method,
                    code=code,
                    duration_ms=duration_ms,
                    **_request_id(context),
                )

    return around


def _request_id(context: Any) -> dict[str, str]:
    """The id of the request that this call belongs to, if the caller told it."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY:
            return {"request_id": value[:64]}
    return {}


def measure_calls(registry: CollectorRegistry, clock: Clock) -> Around:
    """Count and time calls by method and gRPC code."""
    handled = Counter(
        "grpc_server_handled", "Calls that ended.", ["method", "code"], registry=registry
    )
    seconds = Histogram(
        "grpc_server_handling_seconds",
        "From a call's start to its last message.",
        ["method"],
        buckets=LATENCY_SECONDS,
        registry=registry,
    )
    running = Gauge("grpc_server_in_flight", "Calls in flight.", ["method"], registry=registry)

    @asynccontextmanager
    async def around(method: str, context: Any) -> AsyncIterator[None]:
        started = clock.monotonic()
        in_flight = running.labels(method)
        in_flight.inc()
        ending: BaseException | None = None
        try:
            yield
        except BaseException as error:
            ending = error
            raise
        finally:
            in_flight.dec()
            seconds.labels(method).observe(clock.monotonic() - started)
            handled.labels(method, _code_name(context, ending)).inc()

    return around


async def _abort(context: Any, error: HeadraceError) -> None:
    told = context.trailing_metadata() or ()  # what the servicer has set goes with it
    metadata = (*told, *to_trailing_metadata(error))
    try:
        async with asyncio.timeout(STATUS_SECONDS):
            await context.abort(STATUS_OF_KIND[error.kind], error.message, metadata)
    except TimeoutError:
        # It is on its way, behind messages that the caller does not take.
        raise grpc.aio.AbortError from None


def _code_name(context: Any, ending: BaseException | None) -> str:
    # A caller that leaves shows as a cancelled task or a closed stream before the context knows.
    if context.cancelled() or isinstance(ending, asyncio.CancelledError | GeneratorExit):
        return "CANCELLED"
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return str(code.name)
    return "OK" if not code else next(c.name for c in grpc.StatusCode if c.value[0] == code)
