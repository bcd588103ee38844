"""Crowds before engines that fall silent, fail, or lose their connections as they are told."""

import asyncio
import threading
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.stack.inference_crowd import SECONDS, Crowd
from tests.stack.inference_visitors import Reader
from tests.stack.troubled_library import TroubledLibrary

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.proxy import Proxy
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine, load_server
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.ports import Engine


class EchoCrowd(Crowd):
    """Before an echo engine, which fails and stalls as it is told."""

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.failures = 0
        runner = asyncio.Runner()
        engine = EchoEngine(SystemClock(), slots=3, context_tokens=64, pause=self._pause)
        runner.run(engine.start())
        super().__init__(runner, engine)

    def flows(self) -> bool:
        return self.flowing.is_set() and self.anybody

    @rule()
    def stall(self) -> None:
        self.flowing.clear()

    @rule()
    def flow(self) -> None:
        self.flowing.set()

    @rule()
    def fail(self) -> None:
        """The next token that is to be made."""
        self.failures = 1

    def teardown(self) -> None:
        self.flowing.set()
        self.failures = 0
        super().teardown()
        self.runner.run(self.engine.close())
        self.runner.close()

    async def _pause(self) -> None:
        await self.flowing.wait()
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise HeadraceError(Reason.ENGINE_FAILED, "as it was told")


class ProxiedCrowd(Crowd):
    """Before an engine that reaches its server through a proxy, which drops its connections, or
    lets nothing through for longer than the engine bears."""

    def __init__(self, runner: asyncio.Runner, engine: Engine, proxy: Proxy) -> None:
        super().__init__(runner, engine)
        self.proxy = proxy
        self.frozen = False

    def flows(self) -> bool:
        return self.anybody and not self.frozen

    @property
    def begun(self) -> list[asyncio.Task[None]]:
        """Of those who have heard that they are being answered."""
        readers = [each for each in self.visitors if isinstance(each, Reader)]
        return [each.task for each in readers if each.task and each.here and each.messages]

    @rule()
    def kill_all_connections(self) -> None:
        self.runner.run(self.end_connections())

    @rule()
    def freeze(self) -> None:
        self.proxy.freeze()
        self.frozen = True

    @rule()
    def thaw(self) -> None:
        self.proxy.restore()
        self.frozen = False

    @precondition(lambda self: self.frozen and self.begun)
    @rule()
    def stall(self) -> None:
        """Until nobody is left of those whose answer had begun."""
        self.runner.run(self._expect_to_be_given_up(self.begun))

    def teardown(self) -> None:
        self.thaw()
        super().teardown()

    async def end_connections(self) -> None:
        self.proxy.cut()
        await asyncio.sleep(0)
        self.thaw()

    async def _expect_to_be_given_up(self, tasks: list[asyncio.Task[None]]) -> None:
        _, waiting = await asyncio.wait(tasks, timeout=SECONDS)
        assert not waiting


class LibraryCrowd(Crowd):
    """Before a llamacpp engine whose library falls silent, to some or to all, and fails.

    Where it is silent to all, the engine gives it up for dead, as it should, and is of use again
    all the same when the library comes back. A chunk is shorter than any prompt, so that nobody can
    be let in if anybody has left a prompt behind.
    """

    def __init__(self, model: Path) -> None:
        self.threads = set(threading.enumerate())
        self.options = LlamaCppOptions(
            model, 3, context_tokens=64, threads=1, prefill_chunk_tokens=2, stall_seconds=0.5
        )
        runner = asyncio.Runner()
        super().__init__(runner, runner.run(self._start()))
        self.valve.close()

    @rule()
    def fall_silent(self) -> None:
        self.valve.close()

    @rule()
    def flow(self) -> None:
        self.valve.open()

    @rule(words=st.integers(1, 8))
    def say(self, words: int) -> None:
        """To whoever comes first; others hear nothing."""
        self.valve.let_through(words)

    @rule()
    def fail(self) -> None:
        """At the next word."""
        self.valve.fail()

    def teardown(self) -> None:
        self.valve.open()
        super().teardown()
        self.runner.run(self.engine.close())
        self.runner.close()
        self.expect_no_threads()

    def expect_no_threads(self) -> None:
        """Those that are about to end may do so."""
        left = [each for each in threading.enumerate() if each.name == "llamacpp completion"]
        for thread in set(left) - self.threads:
            thread.join(SECONDS)
            assert not thread.is_alive()

    async def _start(self) -> LlamaCppEngine:
        engine = LlamaCppEngine(self.options, SystemClock(), load=self._load)
        await engine.start()
        return engine

    def _load(self, options: LlamaCppOptions, socket_path: str) -> Any:
        library = TroubledLibrary(load_server(options, socket_path))
        self.valve = library.valve
        return library
