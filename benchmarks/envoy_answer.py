"""Envoy that answers by itself, with the text that the echo would have: the limit of any proxy."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contestants import UPSTREAM_MODEL, Contestant
from benchmarks.kinds import PLAIN, STREAMED
from benchmarks.processes import listening, tree
from benchmarks.upstream import chunks, whole
from headrace_local import envoy
from headrace_local.checks import free_port

NAME = "envoy alone"
BUFFER = "filters.http.buffer.v3.Buffer"
START_SECONDS = 20.0
LONGEST_PLAIN_BODY = 200
"""In bytes. Envoy sees no bodies here; the question for a stream is the longer one."""


@contextmanager
def start() -> Iterator[Sequence[Contestant]]:
    """One worker thread, plain HTTP, as the other gateways are asked."""
    port = free_port()
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        config = Path(folder) / "envoy.json"
        config.write_text(json.dumps(_config(port)), encoding="utf-8")
        log, command = Path(folder) / "envoy.log", envoy.command(config)
        with listening(command, port, log, deadline_seconds=START_SECONDS) as process:
            url = f"http://127.0.0.1:{port}"
            yield (Contestant(NAME, url, UPSTREAM_MODEL, lambda: {"envoy": tree(process)}),)


def _config(port: int) -> dict[str, Any]:
    streamed = b"".join(chunks(UPSTREAM_MODEL, STREAMED.prompt)) + b"data: [DONE]\n\n"
    plain = whole(UPSTREAM_MODEL, PLAIN.prompt)
    short = {"name": "content-length", "range_match": {"start": 0, "end": LONGEST_PLAIN_BODY}}
    routes = [
        _answer({"prefix": "/", "headers": [short]}, "application/json", plain),
        _answer({"prefix": "/"}, "text/event-stream; charset=utf-8", streamed),
    ]
    connections = {
        "stat_prefix": "answer",
        "route_config": {
            "max_direct_response_body_size_bytes": len(streamed),
            "virtual_hosts": [{"name": "answer", "domains": ["*"], "routes": routes}],
        },
        # The answer waits for the whole question: Envoy would hang up on the rest of it.
        "http_filters": [
            envoy.extension(BUFFER, {"max_request_bytes": 1024 * 1024}),
            envoy.extension(envoy.ROUTER, {}),
        ],
    }
    listener = {
        "name": "http",
        "address": envoy.socket_address("127.0.0.1", port),
        "filter_chains": [{"filters": [envoy.extension(envoy.HTTP, connections)]}],
    }
    return {"static_resources": {"listeners": [listener]}}


def _answer(match: dict[str, Any], media_type: str, body: bytes) -> dict[str, Any]:
    return {
        "match": match,
        "direct_response": {"status": 200, "body": {"inline_string": body.decode()}},
        "response_headers_to_add": [
            {
                "header": {"key": "content-type", "value": media_type},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }
