"""Headrace's whole local stack with the echo engine, asked through Envoy and at the gateway."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contestants.contestant import Contestant, Entrant
from benchmarks.processes import ContestantError
from headrace_local.errors import LocalStackError
from headrace_local.stack import Stack, StackOptions
from headrace_local.testing import processes, stack_in_background

NAME = "headrace"
GATEWAY_NAME = "headrace gateway"
PARTS = ("gateway", "auth", "cache", "audit", "inference", "redis", "postgres")
# High enough that the load generator is never refused.
SETTINGS = {
    "gateway": {"default_requests_per_minute": "100000000"},
    "inference": {"slots": "256", "queue_length": "1024"},
}


@contextmanager
def echo_stack() -> Iterator[Stack]:
    """The whole stack on free ports, in a folder that is removed; raises ContestantError."""
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        options = StackOptions(state=Path(folder), port=0, engine="echo", settings=SETTINGS)
        try:
            with stack_in_background(options) as stack:
                yield stack
        except LocalStackError as error:
            raise ContestantError(str(error)) from error


def through_envoy(stack: Stack) -> Contestant:
    """As callers ask it: HTTPS, ended by Envoy."""
    access = stack.access
    return _contestant(NAME, access.url, stack, (*PARTS, "envoy"), ca_file=access.ca_file)


def at_the_gateway(stack: Stack) -> Contestant:
    """Without Envoy and TLS, which other gateways do not have in front of them either."""
    return _contestant(GATEWAY_NAME, f"http://{stack.plan.address('gateway')}", stack, PARTS)


@contextmanager
def start() -> Iterator[Sequence[Contestant]]:
    """One stack, two doors."""
    with echo_stack() as stack:
        yield through_envoy(stack), at_the_gateway(stack)


ENTRANT = Entrant(NAME, start)


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
