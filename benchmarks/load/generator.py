"""Closed-loop load: each connection sends its next request when it has the last one's answer."""

import asyncio
import resource
import ssl
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import urlsplit

import orjson

from benchmarks.load.connection import Answer, Connection, connect
from benchmarks.load.plan import Outcome, Plan
from benchmarks.samples import Summary

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0


@dataclass(slots=True)
class Tally:
    """What one phase has seen so far."""

    latencies: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""

    def fail(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why


class Generator:
    """Carries out one plan; `open` it first."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tls = ssl.create_default_context(cafile=plan.ca_file) if plan.ca_file else None
        self._request = render_request(plan)
        self._connections: list[Connection] = []

    async def open(self) -> None:
        """Raises OSError or TimeoutError."""
        async with asyncio.timeout(CONNECT_SECONDS):
            for _ in range(self._plan.concurrency):
                self._connections.append(await connect(self._plan.url, self._tls))

    async def run(self, seconds: float) -> Outcome:
        """Begin requests for so long, and wait for their answers; raises OSError."""
        cpu, started, tally = _own_cpu_seconds(), perf_counter(), Tally()
        async with asyncio.timeout(seconds + ANSWER_SECONDS), asyncio.TaskGroup() as group:
            for place in range(self._plan.concurrency):
                group.create_task(self._keep_asking(place, started + seconds, tally))
        return Outcome(
            answered=len(tally.latencies),
            errors=tally.errors,
            first_error=tally.first_error,
            seconds=perf_counter() - started,
            latency=Summary.of(tally.latencies),
            first_token=Summary.of(tally.first_tokens),
            own_cpu_seconds=_own_cpu_seconds() - cpu,
        )

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    async def _keep_asking(self, place: int, until: float, tally: Tally) -> None:
        while (sent_at := perf_counter()) < until:
            try:
                answer = await self._connections[place].ask(self._request)
            except ConnectionError as error:
                tally.fail(str(error))
                self._connections[place] = await connect(self._plan.url, self._tls)
                continue
            if wrong := self._fault_of(answer):
                tally.fail(wrong)
                continue
            tally.latencies.append(answer.ended_at - sent_at)
            if self._plan.streamed and answer.first_token_at is not None:
                tally.first_tokens.append(answer.first_token_at - sent_at)

    def _fault_of(self, answer: Answer) -> str:
        """What is wrong with the answer; nothing if it is the echo of the prompt."""
        if answer.status != 200:
            return f"status {answer.status}: {bytes(answer.body[:200])!r}"
        try:
            text = answer.text(streamed=self._plan.streamed)
        except (ValueError, LookupError, TypeError) as error:
            return f"{type(error).__name__} in {bytes(answer.body[:200])!r}"
        return "" if text == self._plan.prompt else f"another text: {text[:200]!r}"


def render_request(plan: Plan) -> bytes:
    """The request, head and body, as it goes over the wire."""
    body = {
        "model": plan.model,
        "messages": [{"role": "user", "content": plan.prompt}],
        **({"stream": True} if plan.streamed else {}),
    }
    content = orjson.dumps(body)
    headers = {
        "host": urlsplit(plan.url).netloc,
        "content-type": "application/json",
        "content-length": str(len(content)),
        **plan.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + content


def _own_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
