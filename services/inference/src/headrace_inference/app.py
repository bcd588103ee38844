"""Builds the inference service from its settings and runs it."""

from functools import partial

from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_server import start_grpc_server
from headrace_common.health import watch_dependency
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.runtime import Runtime, run_service
from headrace_inference.adapters.answer_signer import Ed25519AnswerSigner
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.adapters.echo_pace import Pace
from headrace_inference.adapters.llamacpp import LlamaCppEngine, LlamaCppOptions
from headrace_inference.adapters.llamacpp_embeddings import LlamaCppEmbeddings
from headrace_inference.adapters.openai_remote import OpenAiRemoteEngine
from headrace_inference.adapters.openai_remote_options import RemoteKind, RemoteOptions
from headrace_inference.adapters.transformers import TransformersEngine
from headrace_inference.adapters.transformers_options import TransformersOptions
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.embedder import Embedder
from headrace_inference.generator import Generator
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.ports import AnswerSigner, Engine
from headrace_inference.served_model import ServedModel
from headrace_inference.servicer import InferenceServicer, UseCases
from headrace_inference.settings import InferenceSettings
from headrace_inference.weights.embedding_shape import pools


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
    runtime.start_task("engine watch", engine.watch())
    runtime.start_task(
        "readiness", watch_dependency(server, "engine", use_cases.served.check_engine)
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
    metrics, maximum = InferenceMetrics(registry, scheduler), settings.maximum_request_seconds
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


def create_engine(settings: InferenceSettings, clock: Clock) -> Engine:
    """The engine that the settings name, not started yet."""
    if settings.engine == "echo":
        return EchoEngine(
            clock,
            slots=settings.slots,
            context_tokens=settings.context_tokens,
            pause=Pace(
                settings.echo_token_seconds,
                failing_every=settings.echo_failing_every,
                stalling_every=settings.echo_stalling_every,
            ),
        )
    if settings.engine == "openai":
        return OpenAiRemoteEngine(remote_options(settings), clock)
    if settings.engine == "transformers":
        return TransformersEngine(_transformers_options(settings), clock)
    options = LlamaCppOptions(
        model_path=settings.required_model_path(),
        slots=settings.slots,
        context_tokens=settings.context_tokens,
        threads=settings.threads,
        prefill_chunk_tokens=settings.prefill_chunk_tokens,
        stall_seconds=settings.stall_seconds,
        chat_template=settings.chat_template(),
        lora_adapters=settings.lora_adapters,
    )
    if pools(options.model_path):
        if options.chat_template or options.lora_adapters:
            raise ValueError("chat_template_path and lora_adapters are for models that write text")
        return LlamaCppEmbeddings(options, clock)
    return LlamaCppEngine(options, clock)


def remote_options(settings: InferenceSettings) -> RemoteOptions:
    """Where the openai engine's remote is, and what it is."""
    key = settings.remote_api_key
    return RemoteOptions(
        url=settings.required_remote_url(),
        model=settings.remote_model or settings.model_id,
        slots=settings.slots,
        context_tokens=settings.context_tokens,
        features=settings.remote_features,
        kind=RemoteKind(settings.remote_kind),
        api_key=key.get_secret_value() if key is not None else None,
        health_path=settings.remote_health_path,
        digest=settings.remote_digest,
        generates=settings.remote_generates,
        embedding_dimensions=settings.remote_embedding_dimensions,
        stall_seconds=settings.stall_seconds,
        start_seconds=settings.remote_start_seconds,
    )


def _transformers_options(settings: InferenceSettings) -> TransformersOptions:
    return TransformersOptions(
        model=str(settings.required_model_path()),
        slots=settings.slots,
        context_tokens=settings.context_tokens,
        threads=settings.threads,
        device=settings.device,
        dtype=settings.dtype,
        prefill_chunk_tokens=settings.prefill_chunk_tokens,
        stall_seconds=settings.stall_seconds,
    )
