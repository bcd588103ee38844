"""Guard policies from a file that may change while the gateway runs."""

import asyncio
from functools import partial
from importlib.resources import files
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from headrace_common.logs import get_logger
from headrace_gateway.adapters.policy_yaml import read_policies
from headrace_gateway.adapters.watched_file import WatchedFile
from headrace_gateway.adapters.yaml_reader import FileFaultError
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
        """Raises FileFaultError: a gateway does not start without its policies."""
        parse = partial(read_policies, maximum_prompt_characters=maximum_prompt_characters)
        self._file: WatchedFile[PolicyBook] = WatchedFile(path, parse)
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
        self.book = self._file.load()
        self._note_loaded()

    async def keep_fresh(self) -> None:
        """Look at the file again and again; runs until cancelled."""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Take over what has changed; streams keep the policy that they began with."""
        try:
            book = await self._file.look()
        except FileFaultError as error:
            self._note_refused(error)
            return
        if book is not None:
            self.book = book
            self._note_loaded()

    def _note_loaded(self) -> None:
        self._current.set(1)
        self._loads.labels("loaded").inc()
        get_logger().info("guard_policies_loaded", revision=self.book.default.version)

    def _note_refused(self, error: FileFaultError) -> None:
        self._current.set(0)
        self._loads.labels("refused").inc()
        get_logger().error("guard_policies_refused", reason=error.message)


def shipped_policies(*, maximum_prompt_characters: int) -> PolicyBook:
    """The policies in force where no file is named."""
    text = (files("headrace_gateway") / SHIPPED).read_bytes()
    return read_policies(text, SHIPPED, maximum_prompt_characters=maximum_prompt_characters)
