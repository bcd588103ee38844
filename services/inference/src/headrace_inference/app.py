"""Builds the inference service from its settings and runs it."""

from functools import partial

from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_server import start_grpc_server
from headrace_common.health import watch_dependency
from headrace_common.logs import get_logger
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.runtime import Runtime, run_service
from headrace_inference.adapters.answer_signer import Ed25519AnswerSigner
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.embedder import Embedder
from headrace_inference.engines import create_engine
from headrace_inference.generator import Generator
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.ports import AnswerSigner, Engine
from headrace_inference.served_model import ServedModel
from headrace_inference.servicer import InferenceServicer, UseCases
from headrace_inference.settings import InferenceSettings


def run(settings: InferenceSettings) -> None:
    """Serve until SIGTERM."""
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)


async def start(settings: InferenceSettings, runtime: Runtime) -> None:
    """Bring everything up; returns once the model is loaded and warm."""
    clock = SystemClock()
    registry = create_registry()
    serve_metrics(runtime, registry, settings.metrics_address)
    engine = create_engine(settings, clock)
    runtime.on_stop("engine", engine.close)
    use_cases = build(settings, engine=engine, registry=registry, clock=clock)
    registration = InferenceServicer(use_cases).registration()
    server = await start_grpc_server(
        runtime, settings, [registration], registry=registry, clock=clock
    )
    await engine.start()
    _tell(settings, engine.info)
    runtime.start_task("engine watch", engine.watch())
    runtime.start_task(
        "readiness", watch_dependency(server, "engine", use_cases.served.check_engine)
    )


def _tell(settings: InferenceSettings, info: EngineInfo) -> None:
    get_logger().info(
        "model_loaded",
        model=settings.model_id,
        engine=info.engine,
        digest=info.digest,
        slots=info.slots,
        context_tokens=info.context_tokens,
        address=settings.grpc_address,
    )


def build(
    settings: InferenceSettings, *, engine: Engine, registry: CollectorRegistry, clock: Clock
) -> UseCases:
    """The ways to the given engine."""
    scheduler = Scheduler(
        SchedulerBounds(
            slots=settings.slots,
            context_tokens=settings.context_tokens,
            waiting_requests=settings.queue_length,
            waiting_tokens=settings.queue_tokens,
            waiting_seconds=settings.queue_seconds,
            ageing_seconds=settings.ageing_seconds,
        ),
        clock,
    )
    served = ServedModel(
        engine,
        scheduler,
        model_id=settings.model_id,
        silent_seconds=settings.silent_seconds,
        clock=clock,
    )
    metrics = InferenceMetrics(registry, scheduler, settings.objectives())
    maximum = settings.maximum_request_seconds
    return UseCases(
        served,
        Generator(served, metrics, maximum_seconds=maximum, clock=clock),
        Embedder(served, metrics, maximum_seconds=maximum, clock=clock),
        create_signer(settings, clock),
    )


def create_signer(settings: InferenceSettings, clock: Clock) -> AnswerSigner | None:
    """What signs answers; None without a key to do it with."""
    seeds = settings.answer_signing_seeds()
    if not seeds:
        return None
    return Ed25519AnswerSigner(seeds, clock, key_seconds=settings.answer_key_seconds)
