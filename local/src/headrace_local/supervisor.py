"""Starts components as soon as what they need is ready, restarts those that die, stops them all."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace_local.components import Component
from headrace_local.errors import ComponentFailedError
from headrace_local.logs import last_lines
from headrace_local.probes import NotReadyError
from headrace_local.processes import Child, describe_exit, minimal_environment
from headrace_local.status import Observer, Phase, Status

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a component may die: `maximum` times in `window_seconds`, with growing pauses."""

    maximum: int = 5
    window_seconds: float = 60.0
    first_pause_seconds: float = 0.5


class Supervisor:
    """Owns the child processes of one stack."""

    def __init__(
        self,
        components: Sequence[Component],
        *,
        log_of: Callable[[str], Path],
        observers: Sequence[Observer] = (),
        hurry: asyncio.Event | None = None,
        policy: RestartPolicy | None = None,
    ) -> None:
        self._components = components
        self._log_of = log_of
        self._observers = observers
        self._hurry = hurry or asyncio.Event()
        self._policy = policy or RestartPolicy()
        self._children: dict[str, Child] = {}
        self._results: dict[str, str] = {}
        self._fulfilled = {component.name: asyncio.Event() for component in components}
        self._runners: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now = time.time()
        self._statuses = {
            component.name: Status(component.name, Phase.WAITING, now, component.address)
            for component in components
        }

    async def start(self) -> None:
        """Start everything and return when all of it is ready.

        Raises:
            ComponentFailedError: a child died or was not ready in time; call `stop` then.
        """
        for status in self._statuses.values():
            self._announce(status)
        for component in self._components:
            runner = asyncio.create_task(self._run(component), name=component.name)
            runner.add_done_callback(self._note_end)
            self._runners.append(runner)
        ready = asyncio.create_task(self._all_fulfilled())
        try:
            await asyncio.wait((ready, self._failure), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._failure.done():
            self._failure.result()

    def status(self, name: str) -> Status:
        """What is known about a component now."""
        return self._statuses[name]

    async def failed(self) -> None:
        """Wait for a failure that the supervisor cannot mend.

        Raises:
            ComponentFailedError: always, sooner or later.
        """
        await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Stop all children, those of the highest layer first."""
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)
        self._failure.cancel()
        from_the_top = sorted(self._components, key=lambda part: part.layer, reverse=True)
        for _, layer in itertools.groupby(from_the_top, key=lambda part: part.layer):
            await asyncio.gather(*(self._stop(component) for component in layer))

    async def _all_fulfilled(self) -> None:
        for event in self._fulfilled.values():
            await event.wait()

    def _note_end(self, runner: asyncio.Task[None]) -> None:
        error = None if runner.cancelled() else runner.exception()
        if error and not self._failure.done():
            self._failure.set_exception(error)

    async def _run(self, component: Component) -> None:
        deaths: deque[float] = deque(maxlen=self._policy.maximum)
        await self._wait_for_needs(component)
        while True:
            child = await self._spawn(component)
            await self._wait_until_ready(component, child)
            if child.is_running:
                self._fulfilled[component.name].set()
                self._update(component, Phase.READY)
            code = await child.wait()
            if component.probe is None and code == 0:
                self._finish_task(component)
                return
            if not self._fulfilled[component.name].is_set():
                raise self._failed(component, f"ended with {describe_exit(code)} while starting")
            await self._pause_after_death(component, code, deaths)

    async def _wait_for_needs(self, component: Component) -> None:
        for need in component.needs:
            missing = [name for name in component.needs if not self._fulfilled[name].is_set()]
            self._update(component, Phase.WAITING, detail=f"for {', '.join(missing)}")
            await self._fulfilled[need].wait()

    async def _spawn(self, component: Component) -> Child:
        results = {name: self._results[task] for name, task in component.results.items()}
        environment = {**minimal_environment(), **component.environment, **results}
        log = self._log_of(component.name)
        child = await Child.spawn(component.command, environment, log)
        self._children[component.name] = child
        self._update(component, Phase.STARTING, process=child.identity)
        return child

    async def _wait_until_ready(self, component: Component, child: Child) -> None:
        try:
            async with asyncio.timeout(component.start_seconds):
                while child.is_running:
                    detail = await self._look(component)
                    if detail is None:
                        return
                    self._update(component, Phase.STARTING, detail=detail)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            waited = f"was not ready after {component.start_seconds:.0f} s"
            raise self._failed(component, waited) from error

    async def _look(self, component: Component) -> str | None:
        if component.probe is None:
            return "".join(last_lines(self._log_of(component.name), 1)).strip()
        try:
            await component.probe()
        except NotReadyError as reason:
            return str(reason)
        return None

    def _finish_task(self, component: Component) -> None:
        lines = last_lines(self._log_of(component.name), 1)
        self._results[component.name] = "".join(lines).strip()
        self._fulfilled[component.name].set()
        self._update(component, Phase.DONE, process=None)

    async def _pause_after_death(
        self, component: Component, code: int, deaths: deque[float]
    ) -> None:
        now = time.monotonic()
        ended = f"ended with {describe_exit(code)}"
        if len(deaths) == self._policy.maximum and now - deaths[0] < self._policy.window_seconds:
            window = f"{self._policy.window_seconds:.0f} s"
            raise self._failed(component, f"{ended}, {len(deaths) + 1} times within {window}")
        while deaths and now - deaths[0] >= self._policy.window_seconds:
            deaths.popleft()
        pause = self._policy.first_pause_seconds * 2 ** len(deaths)
        deaths.append(now)
        restarts = self._statuses[component.name].restarts + 1
        self._update(component, Phase.RESTARTING, detail=ended, process=None, restarts=restarts)
        self._say(f"{component.name} {ended}; it is started again in {pause:.1f} s.")
        await asyncio.sleep(pause)

    async def _stop(self, component: Component) -> None:
        child = self._children.get(component.name)
        if child is None or not child.is_running:
            return
        self._update(component, Phase.STOPPING)
        forced = await child.stop(component.stop_signal, component.stop_seconds, self._hurry)
        detail = "by force" if forced else ""
        self._update(component, Phase.STOPPED, detail=detail, process=None)

    def _failed(self, component: Component, what: str) -> ComponentFailedError:
        self._update(component, Phase.FAILED, detail=what)
        lines = "".join(f"    {line}" for line in last_lines(self._log_of(component.name), 10))
        end = f"See `make logs SERVICE={component.name}` for all of it."
        shown = f"Its log ends with:\n{lines.rstrip()}\n{end}" if lines else "Its log is empty."
        return ComponentFailedError(f"{component.name} {what}, so everything was stopped. {shown}")

    def _update(self, component: Component, phase: Phase, **changes: Any) -> None:
        before = self._statuses[component.name]
        since = before.since if phase == before.phase else time.time()
        after = replace(before, **{"phase": phase, "since": since, "detail": "", **changes})
        if after != before:
            self._statuses[component.name] = after
            self._announce(after)

    def _announce(self, status: Status) -> None:
        for observer in self._observers:
            observer.changed(status)

    def _say(self, sentence: str) -> None:
        for observer in self._observers:
            observer.say(sentence)
