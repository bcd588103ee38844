"""Every component of the local stack: how it is started, what it needs, and when it is ready."""

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from headrace_local import envoy, postgres, probes, redis
from headrace_local.credentials import Credentials
from headrace_local.directories import StateDirectory
from headrace_local.probes import Probe
from headrace_local.processes import download_environment

Engine = Literal["llamacpp", "echo"]
Settings = Mapping[str, Mapping[str, str]]
"""Values of services' settings, by component and then by setting: `{"gateway": {...}}`."""

MODEL_ID = "smollm2-135m-instruct"
EMBEDDING_MODEL_ID = "all-minilm-l6-v2"
NAMES = (
    "model", "embedding-model", "postgres", "redis",
    "auth", "cache", "audit", "inference", "embeddings", "gateway", "envoy",
)  # fmt: skip
# Databases of the one Redis: auth announces revocations where admission listens.
ADMISSION, CACHE = 0, 1
PORT_NAMES = (
    *(
        f"{service}{suffix}"
        for service in ("auth", "cache", "audit", "inference", "embeddings", "gateway")
        for suffix in ("", "_metrics")
    ),
    "gateway_grpc",
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
    start_seconds: float = 180.0
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
    models, servers = _inference(plan)
    services = _services(plan, servers)
    return (*models, _postgres(plan), _redis(plan), *services, _envoy(plan))


def _inference(plan: Plan) -> tuple[tuple[Component, ...], tuple[Component, ...]]:
    """The tasks that make models' files, and the servers: each serves one model."""
    own = {
        "engine": plan.engine,
        "model_id": plan.model_id,
        "answer_signing_keys": plan.credentials.answer_signing_key,
    }
    if plan.engine == "echo":
        return (), (_service(plan, "inference", own),)
    source = ("--source", plan.model_source) if plan.model_source else ()
    models = (
        _model(plan, "model", *source),
        _model(plan, "embedding-model", "--model", EMBEDDING_MODEL_ID),
    )
    embeddings = {"model_id": EMBEDDING_MODEL_ID, "slots": "4", "context_tokens": "512"}
    servers = (
        _model_server(plan, "inference", own, model="model"),
        _model_server(plan, "embeddings", embeddings, model="embedding-model"),
    )
    return models, servers


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


def _services(plan: Plan, servers: Sequence[Component]) -> tuple[Component, ...]:
    auth = {
        "database_url": plan.database_url(),
        "redis_url": plan.redis_url(ADMISSION),
        "audit_target": plan.address("audit"),
        "key_encryption_key": plan.credentials.key_encryption_key,
        "bootstrap_email": plan.credentials.email,
        "bootstrap_password": plan.credentials.password,
        "issuer": plan.url,
        "audience": "headrace",
        "registration": "invitation",
        "mail_folder": str(plan.directory.mailbox),
        "mail_sender": "Headrace <headrace@headrace.local>",
    }
    return (
        _service(plan, "auth", auth, needs=("postgres", "redis")),
        _service(plan, "cache", {"redis_url": plan.redis_url(CACHE)}, needs=("redis",)),
        _service(plan, "audit", {"database_url": plan.database_url()}, needs=("postgres",)),
        *servers,
        _gateway(plan, servers),
    )


def _model_server(plan: Plan, name: str, settings: Mapping[str, str], model: str) -> Component:
    server = _service(plan, name, settings, service="inference", needs=(model,))
    return replace(server, results={"HEADRACE_INFERENCE_MODEL_PATH": model})


def _service(
    plan: Plan,
    name: str,
    settings: Mapping[str, str],
    *,
    service: str = "",
    needs: tuple[str, ...] = (),
) -> Component:
    address = plan.address(name)
    environment = {"grpc_address": address, **_common_settings(plan, name), **settings}
    return Component(
        name=name,
        command=_python(f"headrace_{service or name}"),
        layer=1,
        probe=probes.grpc_health(address),
        environment=_environment(plan, name, environment, service),
        needs=needs,
        address=address,
    )


def _gateway(plan: Plan, servers: Sequence[Component]) -> Component:
    address = plan.address("gateway")
    settings = {
        **_common_settings(plan, "gateway"),
        "http_address": address,
        "grpc_address": plan.address("gateway_grpc"),
        "auth_target": plan.address("auth"),
        "cache_target": plan.address("cache"),
        "audit_target": plan.address("audit"),
        "admission_redis_url": plan.redis_url(ADMISSION),
        "spool_directory": str(plan.directory.spool),
    }
    if "routes_file" not in plan.settings.get("gateway", {}):
        settings["models"] = json.dumps(_targets(servers))
    return Component(
        name="gateway",
        command=_python("headrace_gateway"),
        layer=2,
        probe=probes.http(f"http://{address}/api/v1/health/readiness"),
        environment=_environment(plan, "gateway", settings),
        needs=("redis",),
        address=f"{address}, gRPC {plan.address('gateway_grpc')}",
        # Its readiness includes the services behind it, and so the first preparation of the model.
        start_seconds=660,
    )


def _targets(servers: Sequence[Component]) -> dict[str, str]:
    """Where each model is served, by its public id; of two with the same one, the first is."""
    return {
        server.environment["HEADRACE_INFERENCE_MODEL_ID"]: server.address
        for server in reversed(servers)
    }


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
