"""The model servers of the route table: how each fares, and when its connection may go."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.circuit import Circuit, CircuitRules
from headrace_gateway.domain.completion import ModelCard
from headrace_gateway.domain.failover import FAULTS
from headrace_gateway.domain.routes import Endpoint
from headrace_gateway.ports import InferenceTarget
from headrace_gateway.routing_metrics import RoutingMetrics

Connect = Callable[[Endpoint], InferenceTarget]


class Server:
    """One endpoint: what it serves, how busy it is, and whether it is worth asking.

    One that stops answering keeps its last known models, so that they stay listed and callers get
    a clear 503 instead of a 404.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        target: InferenceTarget,
        rules: CircuitRules,
        clock: Clock,
        metrics: RoutingMetrics,
    ) -> None:
        self.endpoint = endpoint
        self.target = target
        self.cards: Mapping[str, ModelCard] = {}
        """What it serves, by the model's id there."""
        self.silent_because = ""
        """Why it does not tell what it serves; empty if it does."""
        self.saturation: float | None = None
        """Slots asked for per slot there is; None while it does not say."""
        self.users = 0
        self.retired = False
        """In no table any more: to be closed once nobody uses it."""
        self.closed = False
        self._circuit = Circuit(rules)
        self._clock = clock
        self._metrics = metrics

    @property
    def is_ejected(self) -> bool:
        """Whether requests should go elsewhere, but for the one that tries it out."""
        return self._circuit.keeps_out(self._clock.monotonic())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """For as long as a request needs the connection."""
        self.users += 1
        on_trial = self._circuit.begin(self._clock.monotonic())
        try:
            yield
        finally:
            self.users -= 1
            if on_trial:
                self._circuit.end_trial()

    def note_speaking(self) -> None:
        """An answer has begun."""
        if not self._circuit.is_closed:
            self._circuit.speaks()
            self._show()

    def note_answer(self) -> None:
        """An answer is complete."""
        self.note_speaking()
        self._circuit.succeed()

    def note_failure(self, error: HeadraceError) -> None:
        """It refused or failed, which speaks against it if it was its own fault."""
        if error.reason not in FAULTS:
            return
        was_closed = self._circuit.is_closed
        self._circuit.fail(self._clock.monotonic())
        if was_closed and not self._circuit.is_closed:
            name, reason = self.endpoint.name, error.reason.value
            get_logger().warning("target_ejected", target=name, reason=reason)
            self._show()

    async def refresh_models(self) -> None:
        """Ask what it serves. Silence counts as a request's would; who speaks again is tried."""
        try:
            with self._asked():
                cards = await self.target.models()
        except HeadraceError as error:
            self.silent_because = error.reason.value
            if self.cards:  # else it is asked for nothing yet
                self.note_failure(error)
            return
        self.cards = {card.model.id: card for card in cards}
        if self.silent_because:
            self.silent_because = ""
            self._circuit.try_again(self._clock.monotonic())

    async def refresh_load(self) -> None:
        """Ask how busy it is."""
        try:
            with self._asked():
                self.saturation = await self.target.load()
        except HeadraceError:
            self.saturation = None
        if not self.retired:
            self._metrics.show_saturation(self.endpoint.name, self.saturation or 0.0)

    async def close(self) -> None:
        """Let go of the connection; who still had it in mind must ask another server."""
        self.closed = True
        await self.target.close()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """A question that a closing connection cancels would take down the task that asks."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    def _show(self) -> None:
        if not self.retired:
            self._metrics.show_circuit(self.endpoint.name, ejected=not self._circuit.is_closed)


class Servers:
    """All servers of the route table, and those that are in none any more but still in use."""

    def __init__(
        self, connect: Connect, rules: CircuitRules, clock: Clock, metrics: RoutingMetrics
    ) -> None:
        self.metrics = metrics
        self._connect = connect
        self._rules = rules
        self._clock = clock
        self._servers: dict[Endpoint, Server] = {}
        self._retired: list[Server] = []

    def __getitem__(self, endpoint: Endpoint) -> Server:
        return self._servers[endpoint]

    def use(self, endpoints: AbstractSet[Endpoint]) -> None:
        """Keep the servers of these endpoints, connect to new ones, let go of the others."""
        for endpoint in self._servers.keys() - endpoints:
            server = self._servers.pop(endpoint)
            server.retired = True
            self.metrics.remove(endpoint.name)
            self._retired.append(server)
        for endpoint in endpoints - self._servers.keys():
            target = self._connect(endpoint)
            self.metrics.add(endpoint.name)
            self._servers[endpoint] = Server(
                endpoint, target, self._rules, self._clock, self.metrics
            )

    def all(self) -> list[Server]:
        """Those of the table."""
        return list(self._servers.values())

    async def refresh_models(self) -> None:
        await asyncio.gather(*(server.refresh_models() for server in self.all()))

    async def refresh_loads(self) -> None:
        await asyncio.gather(*(server.refresh_load() for server in self.all()))

    async def close_unused(self) -> None:
        """Close the connections of retired servers whose last answer has ended."""
        unused = [server for server in self._retired if not server.users]
        self._retired = [server for server in self._retired if server.users]
        for server in unused:
            await server.close()

    async def close(self) -> None:
        """Close all connections, whoever uses them."""
        self.use(frozenset())
        retired, self._retired = self._retired, []
        for server in retired:
            await server.close()
