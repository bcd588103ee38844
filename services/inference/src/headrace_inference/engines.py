"""Makes the engine that the settings name."""

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.adapters.echo_pace import Pace
from headrace_inference.adapters.llamacpp.embeddings import LlamaCppEmbeddings
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.adapters.openai_remote.engine import OpenAiRemoteEngine
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.ports import Engine
from headrace_inference.settings import InferenceSettings
from headrace_inference.weights.embedding_shape import pools


def create_engine(settings: InferenceSettings, clock: Clock) -> Engine:
    """Not started yet; raises INVALID_FIELD for settings that do not go together."""
    match settings.engine:
        case "llamacpp":
            return _llamacpp(settings, clock)
        case "transformers":
            return TransformersEngine(_transformers_options(settings), clock)
        case "openai":
            return OpenAiRemoteEngine(remote_options(settings), clock)
        case "echo":
            return EchoEngine(
                clock,
                slots=settings.slots,
                context_tokens=settings.context_tokens,
                pause=_echo_pace(settings),
            )


def _echo_pace(settings: InferenceSettings) -> Pace | None:
    seconds = settings.echo_token_seconds
    failing, stalling = settings.echo_failing_every, settings.echo_stalling_every
    if not (seconds or failing or stalling):
        return None
    return Pace(seconds, failing_every=failing, stalling_every=stalling)


def _llamacpp(settings: InferenceSettings, clock: Clock) -> LlamaCppEngine | LlamaCppEmbeddings:
    """The model's file says whether it writes text or makes embeddings."""
    options = LlamaCppOptions(
        model_path=settings.required_model_path(),
        slots=settings.slots,
        context_tokens=settings.context_tokens,
        threads=settings.threads,
        spins=settings.spins,
        prefill_chunk_tokens=settings.prefill_chunk_tokens,
        gather_seconds=settings.gather_seconds,
        stall_seconds=settings.stall_seconds,
        chat_template=settings.chat_template(),
        lora_adapters=settings.lora_adapters,
        prompt_cache=settings.prompt_cache == "tenant",
    )
    if not pools(options.model_path):
        return LlamaCppEngine(options, clock)
    if options.chat_template or options.lora_adapters or options.prompt_cache:
        raise HeadraceError(
            Reason.INVALID_FIELD,
            "chat_template_path, lora_adapters and prompt_cache are for models that write text",
        )
    return LlamaCppEmbeddings(options, clock)


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
