"""What `make up` prints when all is ready: where it is, who may enter, and commands to paste."""

import json
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from headrace_local.access import Access

# Greedy, so that the same question is answered from the cache the second time, and short.
QUESTION = {
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    "max_tokens": 64,
    "temperature": 0,
}


def print_welcome(console: Console, access: Access) -> None:
    """Print it without borders and without wrapping, so that it can be copied."""
    entries = {
        "URL": access.url,
        "API docs": f"{access.url}/docs",
        "CA file": shown(access.ca_file),
        "Administrator": f"{access.email}  {access.password}",
        "API key": access.api_key,
    }
    _line(console, "\nHeadrace is ready.\n", "bold green")
    for label, value in entries.items():
        console.print(Text.assemble((f"{label:<15}", "bold"), value), soft_wrap=True)
    _line(console, "\nAsk it with curl:\n", "bold")
    _line(console, curl_command(access))
    _line(console, "\nOr with Python and the openai package:\n", "bold")
    _line(console, python_command(access))
    _line(console, "\nManage keys (it asks for the administrator's password):\n", "bold")
    _line(console, login_command(access))
    _line(console, "\nPress Ctrl-C to stop.", "bold")


def curl_command(access: Access) -> str:
    """A shell command that gets one answer, for the current directory."""
    return f"""\
curl -sS -w '\\n' --cacert {shown(access.ca_file)} {access.url}/v1/chat/completions \\
  -H 'Authorization: Bearer {access.api_key}' -H 'Content-Type: application/json' \\
  -d '{json.dumps(_question(access))}'"""


def python_command(access: Access) -> str:
    """A shell command that streams one answer in Python, for the current directory."""
    return f"""\
{shown(Path(sys.executable))} - <<'PYTHON'
import ssl, openai
context = ssl.create_default_context(cafile="{shown(access.ca_file)}")
client = openai.OpenAI(
    base_url="{access.url}/v1",
    api_key="{access.api_key}",
    http_client=openai.DefaultHttpxClient(verify=context),
)
question = {json.dumps(_question(access))}
for chunk in client.chat.completions.create(**question, stream=True):
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
PYTHON"""


def login_command(access: Access) -> str:
    """A shell command that logs the `headrace` command line in, for the current directory."""
    headrace = shown(Path(sys.executable).with_name("headrace"))
    return (
        f"{headrace} login --url {access.url} --ca-file {shown(access.ca_file)}"
        f" --email {access.email} && {headrace} keys list"
    )


def _question(access: Access) -> dict[str, object]:
    return {"model": access.model, **QUESTION}


def shown(path: Path) -> str:
    """A path as one would type it here: relative when it is below the current directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
