"""Ports in this process's memory: for tests, and to read what a port means."""

import asyncio
import hashlib
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import (
    Answer,
    CompletionRequest,
    Delta,
    Events,
    Finished,
    FinishReason,
    ModelCard,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.key_uses import UseBatch
from headrace_gateway.domain.policy_book import PolicyBook
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.routes import RouteTable
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.ports import AccountAnswer, AnswerKey, EndedPage


class MemoryAccounts:
    """Everything that `auth` is to a gateway, over dictionaries."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}
        self.signers: dict[str, Principal] = {}
        """Who signs, by key id."""
        self.nonces: set[tuple[str, str]] = set()
        """Key ids and nonces that were used."""
        self.use_batches: list[UseBatch] = []
        """Uses of keys that were reported."""
        self.answers: dict[str, AccountAnswer | HeadraceError] = {}
        """What calls of the account side answer, by name; others are denied."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """Names and fields of those that were made."""
        self.ended: set[tuple[str, str]] = set()
        """Organisations and revocation ids that have been announced."""
        self.unavailable = False
        self.door = asyncio.Event()
        """Nobody is resolved while it is not set."""
        self.door.set()
        self.resolutions = 0
        self.verifications = 0

    async def resolve(self, credential: str) -> Principal:
        self.resolutions += 1
        await self.door.wait()
        self._check_available()
        return self._known(credential)

    def verify(self, token: str) -> None:
        self.verifications += 1
        self._known(token)

    async def resolve_signed(self, signed: SignedRequest) -> Principal:
        """A signature is the base's SHA-256, which anybody can make."""
        self.resolutions += 1
        await self.door.wait()
        self._check_available()
        used = (signed.key_id, signed.nonce)
        good = hashlib.sha256(signed.signature_base).digest() == signed.signature
        if not good or signed.key_id not in self.signers or used in self.nonces:
            raise HeadraceError(Reason.CREDENTIAL_INVALID, "unknown signature")
        self.nonces.add(used)
        return self.signers[signed.key_id]

    async def report(self, batch: UseBatch) -> None:
        self._check_available()
        self.use_batches.append(batch)

    async def call(self, name: str, fields: Mapping[str, Any], exchange: Exchange) -> AccountAnswer:
        self._check_available()
        self.calls.append((name, dict(fields)))
        answer = self.answers.get(name)
        if answer is None:
            raise HeadraceError(Reason.PERMISSION_DENIED, f"This credential may not use {name}.")
        if isinstance(answer, HeadraceError):
            raise answer
        return answer

    def jwks(self) -> Sequence[Mapping[str, Any]]:
        return [{"kty": "EC", "crv": "P-256", "kid": "memory", "x": "", "y": ""}]

    async def since(self, moment: datetime, page: str = "") -> EndedPage:
        self._check_available()
        return EndedPage(list(self.ended), moment)

    def _known(self, credential: str) -> Principal:
        if credential not in self.principals:
            raise HeadraceError(Reason.CREDENTIAL_INVALID, "unknown credential")
        return self.principals[credential]

    def _check_available(self) -> None:
        if self.unavailable:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "auth does not answer")


class MemoryAnswerStore:
    """AnswerStore over a dictionary."""

    def __init__(self) -> None:
        self.answers: dict[AnswerKey, Answer] = {}
        self.unavailable = False
        self.door = asyncio.Event()
        """Nothing is looked up while it is not set."""
        self.door.set()

    async def look_up(self, key: AnswerKey) -> Answer | None:
        await self.door.wait()
        self._check_available()
        return self.answers.get(key)

    async def store(self, key: AnswerKey, answer: Answer) -> None:
        self._check_available()
        self.answers[key] = answer

    def _check_available(self) -> None:
        if self.unavailable:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the cache does not answer")


class EchoTarget:
    """InferenceTarget that answers with the words of the last text, one delta a word."""

    def __init__(self, model: str = "echo", version: str = "v1") -> None:
        self._model = ModelVersion(model, version)
        self.running = 0
        self.calls = 0
        self.closed = False

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.running += 1
        self.calls += 1
        try:
            words = request.texts()[-1].split(" ")
            yield Started(self._model, queue_seconds=0.0, prompt_tokens=len(words))
            choices = range(request.sampling.choices)
            for index, word in enumerate(words):
                for choice in choices:
                    yield Delta(choice, word if index == 0 else f" {word}", tokens=1)
            reason: FinishReason = "stop"
            yield Finished(
                self._model, (reason,) * len(choices), len(words), len(words) * len(choices)
            )
        finally:
            self.running -= 1

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        """Two numbers of a text: 0.6 and 0.8, the other way round if its length is odd."""
        self.calls += 1
        pairs = ((0.8, 0.6) if len(text) % 2 else (0.6, 0.8) for text in request.inputs)
        vectors = tuple(
            struct.pack("<2f", *pair)[: 4 * (request.dimensions or 2)] for pair in pairs
        )
        tokens = sum(len(text.split(" ")) for text in request.inputs)
        return Embeddings(self._model, vectors, tokens, queue_seconds=0.0)

    async def models(self) -> Sequence[ModelCard]:
        return [ModelCard(self._model, context_tokens=2048, loaded_at_seconds=1_767_225_600)]

    async def load(self) -> float:
        return float(self.running)

    async def close(self) -> None:
        self.closed = True


class MemoryTargetSource:
    """TargetSource whose tables are told by `tell`."""

    def __init__(self, table: RouteTable) -> None:
        self._latest = table
        self._told = asyncio.Event()

    def tell(self, table: RouteTable) -> None:
        self._latest = table
        self._told.set()

    async def tables(self) -> AsyncGenerator[RouteTable, None]:
        while True:
            yield self._latest
            await self._told.wait()
            self._told.clear()


class MemoryGuardPolicies:
    """GuardPolicies that whoever holds it changes."""

    def __init__(self, book: PolicyBook) -> None:
        self.book = book


class MemoryEventLog:
    """EventLog that keeps exchanges in a list."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.notes: list[Exchange] = []
        """Copies of what was noted, as it was at the time."""
        self.settled = 0
        self.full = False
        self.news = asyncio.Event()
        """Set when an exchange is recorded."""

    async def until(self, count: int) -> None:
        """Wait until so many exchanges have been recorded."""
        while len(self.exchanges) < count:
            self.news.clear()
            await self.news.wait()

    @property
    def begun(self) -> set[str]:
        """Request ids of what was noted."""
        return {exchange.request_id for exchange in self.notes}

    def open(self) -> "MemoryEventEntry":
        if self.full:
            raise HeadraceError(Reason.AUDIT_UNAVAILABLE, "the event spool is full")
        return MemoryEventEntry(self)


class MemoryEventEntry:
    """EventEntry of a MemoryEventLog."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log

    def note(self, exchange: Exchange, seconds: float) -> None:
        self._log.notes.append(copy(exchange))

    def note_end(self, exchange: Exchange, seconds: float) -> None:
        if exchange.request_id in self._log.begun:
            self.note(exchange, seconds)

    def settled(self) -> None:
        self._log.settled += 1

    def record(self, exchange: Exchange, seconds: float) -> None:
        self._log.exchanges.append(exchange)
        self._log.news.set()
