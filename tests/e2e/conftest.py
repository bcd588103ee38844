"""The whole stack, started as `make up` starts it, for every end-to-end test."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from headrace_inference.testing import prepared_embedding_model, prepared_model
from headrace_local.access import Access
from headrace_local.components import Settings
from headrace_local.stack import Stack
from headrace_local.testing import temporary_stack

SETTINGS: Settings = {
    # Beside an engine that takes every core the cache may be late, and be passed over.
    "gateway": {"cache_timeout_seconds": "2", "cache_store_timeout_seconds": "2"},
    # So that a long prompt is read in many passes, between which a caller can leave.
    "inference": {"prefill_chunk_tokens": "128"},
}


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the models, prepared once."""
    prepared_embedding_model()
    return prepared_model().parent


@pytest.fixture(scope="session")
def stack(models: Path) -> Iterator[Stack]:
    """A stack of the run's own: fresh data, any free port."""
    with temporary_stack(models=models, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def access(stack: Stack) -> Access:
    """How to reach the running stack."""
    return stack.access


@pytest.fixture(scope="session")
def trust(access: Access) -> ssl.SSLContext:
    """TLS settings that trust the stack's own certificate authority and nobody else."""
    return ssl.create_default_context(cafile=access.ca_file)


@pytest.fixture
def http(access: Access, trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    """A plain HTTPS client without a credential."""
    with httpx.Client(base_url=access.url, verify=trust, timeout=120, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def client(access: Access, trust: ssl.SSLContext) -> Iterator[openai.OpenAI]:
    """The official client with the stack's API key."""
    transport = openai.DefaultHttpxClient(verify=trust, trust_env=False)
    with openai.OpenAI(
        base_url=f"{access.url}/v1",
        api_key=access.api_key,
        http_client=transport,
        timeout=120,
        max_retries=0,
    ) as made:
        yield made
