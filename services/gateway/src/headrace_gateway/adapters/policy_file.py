"""Guard policies from a file that may change while the gateway runs."""

import asyncio
import hashlib
from importlib.resources import as_file, files
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from headrace_common.logs import get_logger
from headrace_gateway.adapters.policy_yaml import read_policies
from headrace_gateway.adapters.yaml_reader import PolicyFileError
from headrace_gateway.domain.policy_book import PolicyBook

SHIPPED = "default_guard_policies.yaml"


class PolicyFile:
    """GuardPolicies of a file; while what is in it cannot be used, what was in force stays."""

    def __init__(
        self,
        path: Path,
        registry: CollectorRegistry,
        *,
        maximum_prompt_characters: int,
        refresh_seconds: float,
    ) -> None:
        """Raises PolicyFileError: a gateway does not start without its policies."""
        self._path = path
        self._maximum_prompt_characters = maximum_prompt_characters
        self._refresh_seconds = refresh_seconds
        self._current = Gauge(
            "headrace_gateway_guard_policies_current",
            "1 while the policies in force are what the file says, 0 while it cannot be used.",
            registry=registry,
        )
        self._loads = Counter(
            "headrace_gateway_guard_policy_loads",
            "How often a file of guard policies was taken over, and how often refused.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("loaded", "refused"):
            self._loads.labels(outcome)
        text = self._read()
        self.book = self._parse(text)
        self._seen: str | None = _digest(text)
        self._note_loaded()

    async def keep_fresh(self) -> None:
        """Look at the file again and again; runs until cancelled."""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Take over what has changed; streams keep the policy that they began with."""
        seen, self._seen = self._seen, None
        try:
            text = await asyncio.to_thread(self._read)
            self._seen = _digest(text)
            if self._seen == seen:
                return
            # In a thread: many patterns take their time to be compiled.
            self.book = await asyncio.to_thread(self._parse, text)
        except PolicyFileError as error:
            if self._seen != seen:  # else it is as unreadable as it was
                self._note_refused(error)
        else:
            self._note_loaded()

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            rule = error.strerror or type(error).__name__
            raise PolicyFileError(f"{self._path}:1: file: cannot be read: {rule}") from error

    def _parse(self, text: bytes) -> PolicyBook:
        return read_policies(
            text, str(self._path), maximum_prompt_characters=self._maximum_prompt_characters
        )

    def _note_loaded(self) -> None:
        self._current.set(1)
        self._loads.labels("loaded").inc()
        get_logger().info("guard_policies_loaded", revision=self.book.default.version)

    def _note_refused(self, error: PolicyFileError) -> None:
        self._current.set(0)
        self._loads.labels("refused").inc()
        get_logger().error("guard_policies_refused", reason=error.message)


def shipped_policies(*, maximum_prompt_characters: int) -> PolicyBook:
    """The policies in force where no file is named."""
    with as_file(files("headrace_gateway") / SHIPPED) as path:
        return read_policies(
            path.read_bytes(), SHIPPED, maximum_prompt_characters=maximum_prompt_characters
        )


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
