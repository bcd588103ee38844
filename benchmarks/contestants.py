"""Who is measured beside other gateways: our stack, inference alone, the canned upstream alone."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import grpc_connection
from benchmarks.processes import ContestantError, Groups, listening, tree
from headrace_local.checks import free_port
from headrace_local.errors import LocalStackError
from headrace_local.stack import Stack
from headrace_local.testing import processes, temporary_stack

BARE_ASGI, HEADRACE, GATEWAY = "bare ASGI", "headrace", "headrace gateway"
INFERENCE = "inference alone"
UPSTREAM_MODEL = "echo"
UPSTREAM_START_SECONDS = 20.0
PARTS = ("gateway", "auth", "cache", "audit", "inference", "redis", "postgres")
# High enough that no load here is refused.
SETTINGS = {
    "gateway": {"default_requests_per_minute": "100000000"},
    "inference": {"slots": "256", "queue_length": "256"},
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server that echoes the last message, asked by OpenAI's chat completions or gRPC."""

    name: str
    url: str
    model: str
    processes: Callable[[], Groups]
    """All that works for its requests, by part, as of now."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None


@contextmanager
def upstream() -> Iterator[Contestant]:
    """The canned upstream on a free port; raises ContestantError."""
    port = free_port()
    command = (
        *(sys.executable, "-m", "uvicorn", "benchmarks.upstream:app"),
        *("--port", str(port), "--log-level", "warning", "--no-access-log"),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--backlog", "2048"),
    )
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        log = Path(folder) / "upstream.log"
        with listening(command, port, log, deadline_seconds=UPSTREAM_START_SECONDS) as process:
            url = f"http://127.0.0.1:{port}"
            yield Contestant(BARE_ASGI, url, UPSTREAM_MODEL, lambda: {"upstream": tree(process)})


@contextmanager
def bare_asgi() -> Iterator[Sequence[Contestant]]:
    """The upstream asked directly: the most that Python and uvicorn give."""
    with upstream() as contestant:
        yield (contestant,)


@contextmanager
def headrace(word_seconds: float = 0.0) -> Iterator[Sequence[Contestant]]:
    """One stack, three doors: as callers ask it; without Envoy, as other gateways are; and the
    inference service by gRPC, whose time the gateway's is added to."""
    with echo_stack(word_seconds) as stack:
        access = stack.access
        envoy = _contestant(HEADRACE, access.url, stack, (*PARTS, "envoy"), access.ca_file)
        yield envoy, at_the_gateway(stack), _at_inference(stack)


@contextmanager
def echo_stack(word_seconds: float = 0.0) -> Iterator[Stack]:
    """The whole stack on free ports, in a folder that is removed; raises ContestantError."""
    settings = SETTINGS | {
        "inference": SETTINGS["inference"] | {"echo_token_seconds": str(word_seconds)}
    }
    try:
        with temporary_stack(engine="echo", settings=settings) as stack:
            yield stack
    except LocalStackError as error:
        raise ContestantError(str(error)) from error


def at_the_gateway(stack: Stack) -> Contestant:
    """Without Envoy and TLS, which other gateways do not have in front of them either."""
    return _contestant(GATEWAY, f"http://{stack.plan.address('gateway')}", stack, PARTS)


def _at_inference(stack: Stack) -> Contestant:
    url = f"{grpc_connection.SCHEME}://{stack.plan.address('inference')}"
    return Contestant(
        INFERENCE, url, stack.access.model, lambda: {"inference": processes(stack, "inference")}
    )


def _contestant(
    name: str, url: str, stack: Stack, parts: Sequence[str], ca_file: Path | None = None
) -> Contestant:
    return Contestant(
        name,
        url,
        stack.access.model,
        lambda: {part: processes(stack, part) for part in parts},
        {"authorization": f"Bearer {stack.access.api_key}"},
        ca_file,
    )
