"""A real llama.cpp server for tests: `python -m tests.stack.llama_server` is the process."""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace_inference.testing import prepared_embedding_model, prepared_model

MODEL = "smollm"
KEY = "sk-llama"
SLOTS = 4
CONTEXT_TOKENS = 512
DIMENSIONS = 576
STOP_SECONDS = 10
CHAT_TEMPLATE = """\
{%- if tools -%}
<|im_start|>system
Call a function if it helps, as <tool_call>{"name": ..., "arguments": ...}</tool_call>.
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""
"""The model's own has no place for tools."""
ROOT = Path(__file__).parents[2]


@contextmanager
def running_llama_server(port: int = 0, *, embeddings: bool = False) -> Iterator[str]:
    """Its address, by default on a free port. It generates, and makes embeddings.

    `embeddings` is for a model that is made for them: the vectors of one that generates depend on
    the texts beside them.
    """
    model = str(prepared_embedding_model() if embeddings else prepared_model())
    command = (sys.executable, "-m", "tests.stack.llama_server", str(port), model)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        try:
            yield _url(process)
        finally:
            process.kill()
            process.wait(timeout=STOP_SECONDS)


def serve(port: int, model: str) -> None:
    """Serve a prepared model, print the address, and go on until standard input ends."""
    import xllamacpp  # noqa: PLC0415 - whoever starts this process does not need it

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {MODEL}
    params.api_keys = [KEY]
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.chat_template = CHAT_TEMPLATE
    params.ui = False
    params.verbosity = 0
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - whoever started it reads it
    sys.stdin.read()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("http://"):
            # the rest must be read on, or it would wait for room in the pipe
            threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
            return line.strip()
    raise AssertionError("".join(lines))


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
