"""The conformance list: OpenAI's parameters one by one, by its official Python and npm clients."""

import json
import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import openai
import pytest
from tests.e2e.clients.install import npm_clients
from tests.e2e.conformance.chat_requests import KEYS, MESSAGES, OTHERS, REPORTING, TOOL_USE
from tests.e2e.conformance.chat_sampling import DRAWING, ENDING
from tests.e2e.conformance.checks import Check, Key, Outcome
from tests.e2e.conformance.other_methods import COMPLETIONS, EMBEDDINGS, MODELS
from tests.e2e.conformance.python_client import run_python
from tests.e2e.conformance.table import Run, document

from headrace_local.access import Access
from headrace_local.components import MODEL_ID

FILE = Path(__file__).parents[2] / "docs/conformance.md"
NPM_CLIENT = Path(__file__).parent / "conformance/npm_client.mjs"
NPM_SECONDS = 240
CHECKS: list[Check] = [
    *(*MESSAGES, *DRAWING, *ENDING, *TOOL_USE, *REPORTING, *OTHERS, *KEYS),
    *(*COMPLETIONS, *EMBEDDINGS, *MODELS),
]
IN_ALL_CASES = {
    "chat.completions.create": """model messages stream stream_options n stop seed logprobs
        top_logprobs top_p temperature max_tokens max_completion_tokens frequency_penalty
        presence_penalty logit_bias response_format tools tool_choice user metadata""",
    "completions.create": """prompt stream n stop seed logprobs top_p temperature max_tokens
        frequency_penalty presence_penalty logit_bias""",
    "embeddings.create": "input dimensions encoding_format",
    "models.list": "key",
    "models.retrieve": "model",
}
"""The guide's list of what is public."""
MakeKeys = Callable[[], dict[Key, str]]


@pytest.fixture(scope="module")
def make_keys(access: Access, trust: ssl.SSLContext) -> MakeKeys:
    """Makes keys for one client; the one that may ask once has not been used."""
    wanted: dict[Key, dict[str, object]] = {
        "one_model": {"allowed_models": [MODEL_ID]},
        "no_scope": {"scopes": ["models:read"]},
        "once": {"requests_per_minute": 1},
    }

    def make() -> dict[Key, str]:
        with httpx.Client(base_url=access.url, verify=trust, trust_env=False) as http:
            login = {"email": access.email, "password": access.password}
            token = http.post("/api/v1/auth/login", json=login).json()["access_token"]
            http.headers["authorization"] = f"Bearer {token}"
            made = {
                name: http.post("/api/v1/keys", json={"name": name, **what}).json()["secret"]
                for name, what in wanted.items()
            }
        return {"own": access.api_key, "wrong": "hr_wrong", **made}

    return make


@pytest.fixture(scope="module")
def python_run(client: openai.OpenAI, make_keys: MakeKeys) -> Run:
    """What the Python client saw."""
    return Run("Python", openai.__version__, run_python(client, make_keys(), CHECKS))


@pytest.fixture(scope="module")
def npm_run(access: Access, make_keys: MakeKeys) -> Run:
    """What the npm client saw, run by node in the folder where it is installed."""
    asked = [
        {"key": c.key, "method": c.method, "body": c.body, "times": c.expected.times}
        for c in CHECKS
    ]
    done = subprocess.run(
        ["node", NPM_CLIENT],
        cwd=npm_clients(),
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(access.ca_file)},
        input=json.dumps({"url": access.url, "keys": make_keys(), "checks": asked}),
        capture_output=True,
        text=True,
        timeout=NPM_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    outcomes = [[Outcome(**run) for run in runs] for runs in told["outcomes"]]
    return Run("npm", told["version"], outcomes)


def faults(run: Run) -> list[str]:
    return [
        f"{check.method} {check.parameter} {check.case} {check.send}: {fault}; {outcomes}"
        for check, fault, outcomes in zip(CHECKS, run.faults(CHECKS), run.outcomes, strict=True)
        if fault
    ]


def test_the_list_has_every_public_parameter_in_every_case() -> None:
    listed = {(check.method, check.parameter, check.case) for check in CHECKS}
    wanted = {
        (method, parameter, case)
        for method, parameters in IN_ALL_CASES.items()
        for parameter in parameters.split()
        for case in ("default", "edge", "refusal")
    }
    assert wanted - listed == set()
    assert len(CHECKS) >= 100


@pytest.mark.timeout(480)
def test_the_python_client_sees_what_it_sees_at_openai(python_run: Run) -> None:
    assert faults(python_run) == []


@pytest.mark.timeout(480)
def test_the_npm_client_sees_the_same(npm_run: Run) -> None:
    assert faults(npm_run) == []


def test_the_document_shows_what_both_clients_saw(python_run: Run, npm_run: Run) -> None:
    text = document(CHECKS, [python_run, npm_run])
    if os.environ.get("HEADRACE_WRITE_DOCS"):
        FILE.write_text(text)
    assert text == FILE.read_text(), "docs/conformance.md is out of date: run `make docs`"
