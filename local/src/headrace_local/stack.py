"""Brings the whole stack up and down: the core of `make up` and of the end-to-end tests."""

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headrace_local import checks, envoy
from headrace_local.access import Access, obtain_api_key
from headrace_local.certificates import LOCAL_HOSTS, ensure_certificates
from headrace_local.components import (
    MODEL_ID,
    PORT_NAMES,
    Component,
    Engine,
    Plan,
    Settings,
    headrace,
)
from headrace_local.credentials import Credentials
from headrace_local.directories import StateDirectory, runtime_directory
from headrace_local.logs import keep_previous
from headrace_local.processes import Identity
from headrace_local.state import StackState, StateFile, end_leftovers, hold_lock
from headrace_local.status import Observer
from headrace_local.supervisor import RestartPolicy, Supervisor

Table = Callable[[Plan], tuple[Component, ...]]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Where a stack keeps its state and where it listens; port 0 takes any free one."""

    state: Path = Path(".headrace")
    listen: str = "127.0.0.1"
    port: int = 8443
    models: Path | None = None
    model_source: str | None = None
    """What to serve instead of the default model, as `headrace_inference.prepare` takes it."""
    model_id: str = MODEL_ID
    """Its public id."""
    engine: Engine = "llamacpp"
    """`echo` needs no model: it repeats the last user message."""
    settings: Settings = field(default_factory=dict)
    """What services are told besides."""
    restarts: RestartPolicy = field(default_factory=RestartPolicy)

    @property
    def directory(self) -> StateDirectory:
        return StateDirectory.at(self.state, self.models)


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack whose components are all ready."""

    access: Access
    plan: Plan
    supervisor: Supervisor

    @property
    def directory(self) -> StateDirectory:
        return self.plan.directory


@asynccontextmanager
async def running_stack(
    options: StackOptions,
    *,
    observers: Sequence[Observer] = (),
    hurry: asyncio.Event | None = None,
) -> AsyncIterator[Stack]:
    """Start all of Headrace, yield it when a key for it is at hand, and stop it at the end.

    Setting `hurry` ends the children's time to stop on their own.

    Raises:
        LocalStackError: it cannot be started; nothing is left running.
    """
    async with supervised(headrace, options, observers=observers, hurry=hurry) as (
        plan,
        supervisor,
    ):
        ca_file = plan.directory.tls / "ca.pem"
        api_key = await obtain_api_key(plan.url, ca_file, plan.credentials)
        credentials = plan.credentials.with_api_key(api_key)
        credentials.save(plan.directory.secrets_file)
        access = Access.of(plan.url, ca_file, credentials, plan.model_id)
        yield Stack(access, plan, supervisor)


@asynccontextmanager
async def supervised(
    table: Table,
    options: StackOptions,
    *,
    observers: Sequence[Observer] = (),
    hurry: asyncio.Event | None = None,
    free_bytes: checks.FreeBytes = checks.free_bytes,
) -> AsyncIterator[tuple[Plan, Supervisor]]:
    """Check, prepare, and run the components of `table` for the length of the block.

    Raises:
        LocalStackError: a check failed, or a component did not start.
    """
    with _planned(options, observers, free_bytes) as plan:
        components = table(plan)
        for component in components:
            keep_previous(plan.directory.log_of(component.name))
        state_file = StateFile(plan.directory.state_file, _state(plan))
        supervisor = Supervisor(
            components,
            log_of=plan.directory.log_of,
            observers=(state_file, *observers),
            hurry=hurry,
            policy=options.restarts,
        )
        try:
            await supervisor.start()
            yield plan, supervisor
        finally:
            await supervisor.stop()


@contextmanager
def _planned(
    options: StackOptions, observers: Sequence[Observer], free_bytes: checks.FreeBytes
) -> Iterator[Plan]:
    directory = options.directory
    directory.create()
    with hold_lock(directory.lock_file), runtime_directory() as runtime:
        for name in end_leftovers(directory.state_file):
            for observer in observers:
                observer.say(f"Ended {name}, which a stack that was killed had left running.")
        checks.check_disk(directory.root, free_bytes)
        port = options.port or checks.free_port(options.listen)
        checks.check_port(options.listen, port)
        plan = Plan(
            directory=directory,
            runtime=runtime,
            listen=options.listen,
            port=port,
            ports=checks.free_ports(PORT_NAMES),
            credentials=Credentials.load_or_generate(directory.secrets_file),
            model_source=options.model_source,
            model_id=options.model_id,
            engine=options.engine,
            settings=options.settings,
        )
        _write_files(plan)
        yield plan


def _write_files(plan: Plan) -> None:
    host = envoy.public_host(plan.listen).strip("[]")
    hosts = tuple(dict.fromkeys((*LOCAL_HOSTS, host)))
    ensure_certificates(plan.directory.tls, hosts, datetime.datetime.now(datetime.UTC))
    envoy.write_config(
        plan.directory.run / "envoy.json",
        plan.listen,
        plan.port,
        plan.ports["gateway"],
        plan.directory.tls,
    )


def _state(plan: Plan) -> StackState:
    supervisor = Identity.of(os.getpid())
    assert supervisor is not None  # noqa: S101  # this process is alive
    ca_file = str(plan.directory.tls / "ca.pem")
    return StackState(supervisor, plan.url, ca_file, str(plan.runtime), plan.model_id)
