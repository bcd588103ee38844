"""Closed-loop load: each connection sends its next request when it has the last one's answer."""

import asyncio
import ssl
import sys
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import urlsplit

import orjson
import uvloop

from benchmarks import grpc_connection
from benchmarks.connection import Answer, Connection, HeaderReader, connect
from benchmarks.grpc_connection import GrpcAnswer, GrpcConnection
from benchmarks.load import ANSWER_SECONDS, CONNECT_SECONDS, Outcome, Plan, Summary


@dataclass(slots=True)
class Tally:
    """What was seen so far."""

    latencies: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""

    def fail(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why


class Generator:
    """Carries out one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tls = ssl.create_default_context(cafile=plan.ca_file) if plan.ca_file else None
        self._request = render_request(plan)
        self._tally = Tally()

    async def run(self) -> Outcome:
        """Connect, begin requests for as long as planned, and wait for their answers."""
        async with asyncio.timeout(CONNECT_SECONDS):
            connections = [await self._connect() for _ in range(self._plan.concurrency)]
        started = perf_counter()
        until = started + self._plan.seconds
        async with (
            asyncio.timeout(self._plan.seconds + ANSWER_SECONDS),
            asyncio.TaskGroup() as group,
        ):
            for connection in connections:
                group.create_task(self._keep_asking(connection, until))
        return Outcome(
            answered=len(self._tally.latencies),
            errors=self._tally.errors,
            first_error=self._tally.first_error,
            seconds=perf_counter() - started,
            latency=Summary.of(self._tally.latencies),
            first_token=Summary.of(self._tally.first_tokens),
        )

    async def _connect(self) -> Connection | GrpcConnection:
        if _is_grpc(self._plan):
            return GrpcConnection(self._plan.url)
        kind = HeaderReader if self._plan.kind.cached else Connection
        return await connect(self._plan.url, self._tls, kind)

    async def _keep_asking(self, connection: Connection | GrpcConnection, until: float) -> None:
        while (sent_at := perf_counter()) < until:
            try:
                answer = await connection.ask(self._request)
            except ConnectionError as error:
                self._tally.fail(str(error))
                connection = await self._connect()
                continue
            if wrong := self._fault_of(answer):
                self._tally.fail(wrong)
                continue
            self._tally.latencies.append(answer.ended_at - sent_at)
            if self._plan.kind.streamed and answer.first_token_at is not None:
                self._tally.first_tokens.append(answer.first_token_at - sent_at)

    def _fault_of(self, answer: Answer | GrpcAnswer) -> str:
        """What is wrong with the answer; nothing if it is the text that it should be."""
        if answer.status != 200:
            return f"status {answer.status}: {bytes(answer.body[:200])!r}"
        if self._plan.kind.cached and not _is_hit(answer):
            return "the cache did not answer"
        try:
            text = answer.text(streamed=self._plan.kind.streamed)
        except (ValueError, LookupError, TypeError) as error:
            return f"{type(error).__name__} in {bytes(answer.body[:200])!r}"
        return "" if text == self._plan.kind.answer else f"another text: {text[:200]!r}"


def render_request(plan: Plan) -> bytes:
    """The request, head and body, as it goes over the wire; for gRPC, the message."""
    kind = plan.kind
    if _is_grpc(plan):
        return grpc_connection.render(kind, plan.model)
    wanted = {
        "stream": kind.streamed or None,
        "max_tokens": kind.max_tokens,
        "temperature": kind.temperature,
    }
    body = {
        "model": plan.model,
        "messages": [{"role": "user", "content": kind.prompt}],
        **{name: value for name, value in wanted.items() if value is not None},
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


def _is_hit(answer: Answer | GrpcAnswer) -> bool:
    """The inference service, asked by gRPC, has no cache before it."""
    return isinstance(answer, GrpcAnswer) or answer.headers.get(b"x-headrace-cache") == b"hit"


def _is_grpc(plan: Plan) -> bool:
    return urlsplit(plan.url).scheme == grpc_connection.SCHEME


async def main() -> None:
    """Read a plan from standard input, and write the outcome to standard output."""
    generator = Generator(Plan.model_validate_json(sys.stdin.read()))
    outcome = await generator.run()
    sys.stdout.write(outcome.model_dump_json())


if __name__ == "__main__":
    try:
        uvloop.run(main())
    except* (OSError, TimeoutError) as failed:
        sys.exit(f"{type(failed.exceptions[0]).__name__}: {failed.exceptions[0]}")
