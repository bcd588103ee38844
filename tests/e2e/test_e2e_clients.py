"""Clients that others made complete a chat: langchain-openai, and the command-line tool `llm`."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.clients.install import python_clients

from headrace_local.access import Access
from headrace_local.components import MODEL_ID

LANGCHAIN = Path(__file__).parent / "clients/langchain_chat.py"
CLIENT_SECONDS = 60
LLM_MODEL = f"""
- model_id: headrace
  model_name: {MODEL_ID}
  api_base: "%s/v1"
  api_key_name: headrace
"""
Run = Callable[..., str]


@pytest.fixture
def run(access: Access, tmp_path: Path) -> Run:
    """Runs a program of the clients' environment, set up as users do it; returns its output."""
    environment = os.environ | {
        "SSL_CERT_FILE": str(access.ca_file),
        "NO_PROXY": "*",
        "OPENAI_BASE_URL": f"{access.url}/v1",
        "OPENAI_API_KEY": access.api_key,
        "LLM_USER_PATH": str(tmp_path),
    }
    programs = python_clients() / "bin"

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [programs / program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.timeout(400)
def test_langchain_chats_and_streams(run: Run) -> None:
    told = json.loads(run("python", str(LANGCHAIN), MODEL_ID))
    assert "light" in told["answer"] or "blue" in told["answer"]
    assert told["reason"] in ("stop", "length")
    assert told["usage"]["output_tokens"] <= 20
    assert "".join(told["pieces"]) == told["answer"]
    assert told["stream_usage"][-1]["output_tokens"] == told["usage"]["output_tokens"]


@pytest.mark.timeout(400)
def test_llm_chats_and_streams(run: Run, access: Access, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(LLM_MODEL % access.url)
    (tmp_path / "keys.json").write_text(json.dumps({"headrace": access.api_key}))
    options = ("-m", "headrace", "-o", "temperature", "0", "-o", "max_tokens", "20")
    question = "Why is the sky blue?"
    whole = run("llm", question, *options, "--no-stream", "-s", "You are brief.")
    streamed = run("llm", question, *options, "-s", "You are brief.")
    assert "light" in whole or "blue" in whole
    assert streamed == whole
    again = run("llm", "-c", "And at night?", *options[2:], "--no-stream")
    assert again.strip()
