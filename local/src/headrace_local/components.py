"""Every component of the local stack: how it is started, what it needs, and when it is ready."""

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headrace_local import envoy, postgres, probes, redis
from headrace_local.credentials import Credentials
from headrace_local.directories import StateDirectory
from headrace_local.probes import Probe
from headrace_local.processes import download_environment

Engine = Literal["llamacpp", "echo"]
Settings = Mapping[str, Mapping[str, str]]
"""Values of services' settings, by service and then by setting: `{"gateway": {...}}`."""

MODEL_ID = "smollm2-135m-instruct"
EMBEDDING_MODEL_ID = "all-minilm-l6-v2"
NAMES = (
    "model", "embedding-model", "postgres", "redis",
    "auth", "cache", "audit", "inference", "embeddings", "gateway", "envoy",
)  # fmt: skip
# Databases of the one Redis: auth announces revocations where admission listens.
ADMISSION, CACHE = 0, 1
PORT_NAMES = tuple(
    f"{service}{suffix}"
    for service in ("auth", "cache", "audit", "inference", "embeddings", "gateway")
    for suffix in ("", "_metrics")
)


@dataclass(frozen=True, slots=True)
class Component:
    """One child process.

    Without a probe it is a task: it has done its duty when it exits with 0, and the last line that
    it printed is its result. `results` names environment variables and the tasks whose results they
    get.
    Components of a higher layer are stopped before those of a lower one.
    """

    name: str
    command: tuple[str, ...]
    layer: int
    probe: Probe | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    results: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    address: str = ""
    start_seconds: float = 60.0
    stop_seconds: float = 15.0
    stop_signal: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Plan:
    """What has been decided for this run: folders, ports and secrets."""

    directory: StateDirectory
    runtime: Path
    listen: str
    port: int
    ports: Mapping[str, int]
    credentials: Credentials
    model_source: str | None = None
    model_id: str = MODEL_ID
    engine: Engine = "llamacpp"
    settings: Settings = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://{envoy.public_host(self.listen)}:{self.port}"

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def database_url(self) -> str:
        return postgres.url(self.runtime / "postgres")

    def redis_url(self, database: int) -> str:
        return redis.url(self.runtime / "redis.sock", database)


def headrace(plan: Plan) -> tuple[Component, ...]:
    """The whole stack, in the order in which it is shown."""
    return (*_models(plan), _postgres(plan), _redis(plan), *_services(plan), _envoy(plan))


def _models(plan: Plan) -> tuple[Component, ...]:
    if plan.engine != "llamacpp":
        return ()
    source = ("--source", plan.model_source) if plan.model_source else ()
    embedding = ("--model", EMBEDDING_MODEL_ID)
    return (_model(plan, "model", *source), _model(plan, "embedding-model", *embedding))


def _model(plan: Plan, name: str, *which: str) -> Component:
    directory = str(plan.directory.models)
    return Component(
        name=name,
        command=_python("headrace_inference.prepare", "--directory", directory, *which),
        layer=0,
        environment=download_environment(),
        address=str(plan.directory.models),
        start_seconds=600,
    )


def _postgres(plan: Plan) -> Component:
    sockets = plan.runtime / "postgres"
    return Component(
        name="postgres",
        command=postgres.command(plan.directory.data / "postgres", sockets),
        layer=0,
        probe=probes.postgres(sockets),
        address=str(sockets),
        # A "fast" shutdown: SIGTERM would wait for the clients to leave on their own.
        stop_signal=signal.SIGINT,
    )


def _redis(plan: Plan) -> Component:
    socket = plan.runtime / "redis.sock"
    return Component(
        name="redis",
        command=redis.command(plan.directory.data / "redis", socket),
        layer=0,
        probe=probes.redis(socket),
        address=str(socket),
    )


def _services(plan: Plan) -> tuple[Component, ...]:
    return (
        _service(
            plan,
            "auth",
            needs=("postgres", "redis"),
            database_url=plan.database_url(),
            redis_url=plan.redis_url(ADMISSION),
            audit_target=plan.address("audit"),
            key_encryption_key=plan.credentials.key_encryption_key,
            bootstrap_email=plan.credentials.email,
            bootstrap_password=plan.credentials.password,
            issuer=plan.url,
            audience="headrace",
            registration="invitation",
            mail_folder=str(plan.directory.mailbox),
            mail_sender="Headrace <headrace@headrace.local>",
        ),
        _service(plan, "cache", needs=("redis",), redis_url=plan.redis_url(CACHE)),
        _service(plan, "audit", needs=("postgres",), database_url=plan.database_url()),
        _inference(plan),
        *_embeddings(plan),
        _gateway(plan),
    )


def _inference(plan: Plan) -> Component:
    real = plan.engine == "llamacpp"
    return _service(
        plan,
        "inference",
        needs=("model",) if real else (),
        results={"HEADRACE_INFERENCE_MODEL_PATH": "model"} if real else {},
        engine=plan.engine,
        model_id=plan.model_id,
        answer_signing_keys=plan.credentials.answer_signing_key,
    )


def _embeddings(plan: Plan) -> tuple[Component, ...]:
    """A second inference process: each serves one model."""
    if plan.engine != "llamacpp":
        return ()
    embeddings = _service(
        plan,
        "embeddings",
        service="inference",
        needs=("embedding-model",),
        results={"HEADRACE_INFERENCE_MODEL_PATH": "embedding-model"},
        model_id=EMBEDDING_MODEL_ID,
        slots="4",
        context_tokens="512",
    )
    return (embeddings,)


def _service(
    plan: Plan,
    name: str,
    *,
    service: str = "",
    needs: tuple[str, ...],
    results: Mapping[str, str] | None = None,
    **settings: str,
) -> Component:
    address = plan.address(name)
    environment = {"grpc_address": address, **_common_settings(plan, name), **settings}
    return Component(
        name=name,
        command=_python(f"headrace_{service or name}"),
        layer=1,
        probe=probes.grpc_health(address),
        environment=_environment(plan, name, environment, service),
        results=results or {},
        needs=needs,
        address=address,
    )


def _gateway(plan: Plan) -> Component:
    address = plan.address("gateway")
    settings = {
        **_common_settings(plan, "gateway"),
        "http_address": address,
        "auth_target": plan.address("auth"),
        "cache_target": plan.address("cache"),
        "audit_target": plan.address("audit"),
        "models": json.dumps(_targets(plan)),
        "admission_redis_url": plan.redis_url(ADMISSION),
        "spool_directory": str(plan.directory.spool),
    }
    return Component(
        name="gateway",
        command=_python("headrace_gateway"),
        layer=2,
        probe=probes.http(f"http://{address}/api/v1/health/readiness"),
        environment=_environment(plan, "gateway", settings),
        needs=("redis",),
        address=address,
        # Its readiness includes the services behind it, and so the first preparation of the model.
        start_seconds=660,
    )


def _targets(plan: Plan) -> dict[str, str]:
    """Where each model is served, by its public id."""
    embeddings = {EMBEDDING_MODEL_ID: plan.address("embeddings")}
    more = embeddings if plan.engine == "llamacpp" else {}
    return {**more, plan.model_id: plan.address("inference")}


def _envoy(plan: Plan) -> Component:
    return Component(
        name="envoy",
        command=envoy.command(plan.directory.run / "envoy.json"),
        layer=3,
        probe=probes.tls(plan.listen, plan.port, plan.directory.tls / "ca.pem"),
        address=plan.url,
    )


def _common_settings(plan: Plan, name: str) -> dict[str, str]:
    return {
        "environment": "development",
        "log_level": "INFO",
        "instance_name": f"{name}-0",
        "metrics_address": plan.address(f"{name}_metrics"),
        # Shorter than `stop_seconds`, after which a service is killed.
        "drain_seconds": "10",
    }


def _environment(
    plan: Plan, name: str, settings: Mapping[str, str], service: str = ""
) -> dict[str, str]:
    chosen = {**settings, **plan.settings.get(name, {})}
    return {f"HEADRACE_{service or name}_{key}".upper(): value for key, value in chosen.items()}


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # Unbuffered, so that `make logs` shows a line when it is written.
    return (sys.executable, "-u", "-m", module, *arguments)
