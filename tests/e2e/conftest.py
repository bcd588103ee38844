"""The whole stack, started as `make up` starts it, for every end-to-end test."""

import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest

from headrace_inference.testing import prepared_model
from headrace_local.access import Access
from headrace_local.components import Settings
from headrace_local.stack import Stack, StackOptions
from headrace_local.state import read_state
from headrace_local.testing import stack_in_background

PATIENT: Settings = {
    "gateway": {"cache_timeout_seconds": "2", "cache_store_timeout_seconds": "2"},
}
"""Beside an engine that takes every core the cache may be late, and be passed over."""


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the model, prepared once."""
    return prepared_model().parent


@pytest.fixture(scope="session")
def options(models: Path) -> Iterator[StackOptions]:
    """A stack of the run's own: fresh data, any free port."""
    # Not pytest's own folder: another pytest of the same user may close it for PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="headrace-e2e-") as state:
        yield StackOptions(state=Path(state), port=0, models=models, settings=PATIENT)


@pytest.fixture(scope="session")
def running_stack(options: StackOptions) -> Iterator[Stack]:
    """The stack itself, for tests that look into it or break it."""
    with stack_in_background(options) as running:
        yield running


@pytest.fixture(scope="session")
def stack(running_stack: Stack) -> Access:
    """How to reach the running stack."""
    return running_stack.access


@pytest.fixture(scope="session")
def trust(stack: Access) -> ssl.SSLContext:
    """TLS settings that trust the stack's own certificate authority and nobody else."""
    return ssl.create_default_context(cafile=stack.ca_file)


@pytest.fixture
def say(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Prints a line of figures that is seen although the test passes."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {text}", end="")  # noqa: T201 - this is the report

    return say


@pytest.fixture
def http(stack: Access, trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    """A plain HTTPS client without a credential."""
    with httpx.Client(base_url=stack.url, verify=trust, timeout=120, trust_env=False) as client:
        yield client


@pytest.fixture
def client(stack: Access, trust: ssl.SSLContext) -> Iterator[openai.OpenAI]:
    """The official client with the stack's API key."""
    transport = openai.DefaultHttpxClient(verify=trust, trust_env=False)
    with openai.OpenAI(
        base_url=f"{stack.url}/v1",
        api_key=stack.api_key,
        http_client=transport,
        timeout=120,
        max_retries=0,
    ) as made:
        yield made


@pytest.fixture
def database_arguments(options: StackOptions, stack: Access) -> dict[str, object]:
    """How to connect to the running stack's PostgreSQL."""
    state = read_state(options.directory.state_file)
    assert state is not None
    return {"host": str(Path(state.runtime) / "postgres"), "user": "postgres"}
