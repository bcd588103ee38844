"""An inference server, real but for its echo engine, which fails where a prompt asks for trouble.

In turn such a request is refused with UNAVAILABLE and, once it has begun, ended with it.
"""

import itertools
from collections.abc import AsyncGenerator
from functools import partial

from headrace_common.clock import Clock, SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_server import start_grpc_server
from headrace_common.logs import configure_logging
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.runtime import Runtime, run_service
from headrace_common.settings import load_settings
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.adapters.echo_pace import Pace
from headrace_inference.app import build
from headrace_inference.domain.events import Delta, EngineEvent
from headrace_inference.domain.requests import GenerationRequest
from headrace_inference.servicer import InferenceServicer
from headrace_inference.settings import InferenceSettings

TROUBLE = "trouble"
MIDWAY_TOKENS = 3


class TroubledEngine(EchoEngine):
    """Well, unless it is asked for trouble."""

    def __init__(self, clock: Clock, settings: InferenceSettings) -> None:
        super().__init__(
            clock,
            slots=settings.slots,
            context_tokens=settings.context_tokens,
            pause=Pace(settings.echo_token_seconds),
        )
        self._refuses = itertools.cycle((True, False))

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        troubled = TROUBLE in str(request.prompt)
        if troubled and next(self._refuses):
            raise _unavailable()
        tokens = 0
        async for event in super().generate(request, prompt_tokens, max_tokens):
            yield event
            tokens += isinstance(event, Delta)
            if troubled and tokens == MIDWAY_TOKENS:
                raise _unavailable()


def _unavailable() -> HeadraceError:
    return HeadraceError(Reason.NOT_SERVING, "asked for trouble")


async def start(settings: InferenceSettings, runtime: Runtime) -> None:
    clock, registry = SystemClock(), create_registry()
    serve_metrics(runtime, registry, settings.metrics_address)
    engine = TroubledEngine(clock, settings)
    use_cases = build(settings, engine=engine, registry=registry, clock=clock)
    registration = InferenceServicer(use_cases).registration()
    server = await start_grpc_server(
        runtime, settings, [registration], registry=registry, clock=clock
    )
    await engine.start()
    await server.set_serving(True)


if __name__ == "__main__":
    settings = load_settings(InferenceSettings)
    configure_logging("inference", settings.instance_name, settings.log_level)
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)
