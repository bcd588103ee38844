"""Several gateways over one stack, which a test kills and a supervisor starts again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import httpx
from tests.chaos.conftest import RESTARTS
from tests.stack.metrics import Metrics

from headrace_local.checks import free_ports
from headrace_local.components import Component, headrace
from headrace_local.stack import Stack
from headrace_local.status import Phase
from headrace_local.supervisor import Supervisor
from headrace_local.testing import processes

PORTS = ("gateway", "gateway_metrics", "gateway_grpc")
POLL_SECONDS = 0.05
SPOOLED = "headrace_spool_records"


@dataclass(frozen=True, slots=True)
class Gateways:
    """Each has ports and a spool of its own, and one client that retries nothing."""

    stacks: Sequence[Stack]
    """The stack as it would be if that gateway were its own."""
    clients: Sequence[httpx.AsyncClient]

    def kill(self, number: int) -> bool:
        """`kill -9`, whatever it does; False if there is no process just now."""
        running = processes(self.stacks[number], _name(number))
        if running:
            running[0].send_signal(signal.SIGKILL)
        return bool(running)

    async def until_ready(self) -> None:
        """Wait until all of them are ready at the same time."""
        while not all(map(self._is_ready, range(len(self.stacks)))):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(POLL_SECONDS)

    async def until_delivered(self) -> None:
        """Wait until no spool holds anything any more."""
        for stack in self.stacks:
            async with Metrics(stack, "gateway") as metrics:
                await metrics.until(SPOOLED, 0)

    def _is_ready(self, number: int) -> bool:
        status = self.stacks[number].supervisor.status(_name(number))
        return status.phase is Phase.READY


@asynccontextmanager
async def gateways_beside(stack: Stack, count: int) -> AsyncIterator[Gateways]:
    """So many more than the stack's own, with the same settings but for what they cannot share."""
    stacks = [_with_own_gateway(stack, number) for number in range(count)]
    components = [_gateway_of(each, number) for number, each in enumerate(stacks)]
    supervisor = Supervisor(components, log_of=stack.directory.log_of, policy=RESTARTS)
    async with AsyncExitStack() as ending:
        ending.push_async_callback(supervisor.stop)
        await supervisor.start()
        clients = [await ending.enter_async_context(_client(each)) for each in stacks]
        yield Gateways([replace(each, supervisor=supervisor) for each in stacks], clients)


def _with_own_gateway(stack: Stack, number: int) -> Stack:
    plan, name = stack.plan, _name(number)
    own = {"spool_directory": str(plan.directory.root / name), "instance_name": name}
    settings = {**plan.settings, "gateway": {**plan.settings.get("gateway", {}), **own}}
    ports = {**plan.ports, **free_ports(PORTS)}
    return replace(stack, plan=replace(plan, ports=ports, settings=settings))


def _gateway_of(stack: Stack, number: int) -> Component:
    [gateway] = [each for each in headrace(stack.plan) if each.name == "gateway"]
    return replace(gateway, name=_name(number), needs=())


def _client(stack: Stack) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://{stack.plan.address('gateway')}",
        timeout=None,
        limits=httpx.Limits(max_connections=None),
        verify=False,  # loading the usual authorities would hold up the callers' loop
        trust_env=False,
    )


def _name(number: int) -> str:
    return f"gateway-{number}"
