"""route: from a model's public name to the servers that may answer, the best one first."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_gateway.domain.answer_keys import AnswerKey, PublishedAnswerKey, publishable
from headrace_gateway.domain.completion import ModelCard
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.routes import (
    Group,
    RouteTable,
    Target,
    check_cohort,
    in_order,
    without_other_models,
)
from headrace_gateway.ports import InferenceTarget, TargetSource
from headrace_gateway.stages.servers import Server, Servers

IMPATIENT_SECONDS = 0.2
"""Between questions until every model has been seen."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A server that may be asked, and for which of its models."""

    server: Server
    card: ModelCard
    group: int
    """0 for the first one that is asked, more for fallbacks."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: to the first choice, and elsewhere if that one cannot answer."""

    model: str
    choices: tuple[Choice, ...]

    @property
    def target(self) -> InferenceTarget:
        return self.choices[0].server.target

    @property
    def card(self) -> ModelCard:
        """The model under its public name."""
        return _public(self.model, self.choices[0].card)


class Router:
    """Knows the models on offer, by a table that may change at any time; asks their servers every
    few seconds what they serve and how busy they are.

    Servers that are in the new table too keep their connections, and those that are not keep them
    until their last answer has ended: a change of the table drops no stream.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        refresh_seconds: float,
        load_seconds: float = 1.0,
    ) -> None:
        self._servers = servers
        self.metrics = servers.metrics
        self._refresh_seconds = refresh_seconds
        self._load_seconds = load_seconds
        self._table: RouteTable | None = None
        self._changed = asyncio.Event()
        self._unseen: set[tuple[str, Target]] = set()
        self.known = asyncio.Event()
        """Set once there is a table and every model of it has been seen."""

    def run(self, exchange: Exchange, principal: Principal, model: str) -> Route:
        """The route for `model`; raises MODEL_NOT_FOUND, NOT_SERVING, INVALID_FIELD."""
        exchange.model = model
        groups = self._groups(model)
        if not groups or not principal.may_use(model):
            raise HeadraceError(
                Reason.MODEL_NOT_FOUND,
                f"The model `{model}` does not exist or you do not have access to it.",
                param="model",
            )
        check_cohort(exchange.cohort_asked)
        if exchange.activity is Activity.EMBEDDING:
            groups = without_other_models(groups)
        key = _sticky_key(exchange, principal, model)
        choices = self._choose(groups, key, exchange.cohort_asked)
        if not choices:
            raise HeadraceError(
                Reason.NOT_SERVING, f"The model `{model}` is starting.", retry_after_seconds=5
            )
        exchange.model_version = choices[0].card.model.version
        return Route(model, choices)

    def cards_for(self, principal: Principal) -> list[ModelCard]:
        """The models that `principal` may use, under their public names."""
        return [
            _public(model, choice.card)
            for model in sorted(self._table or {})
            if principal.may_use(model) and (choice := next(self._seen(model), None))
        ]

    def answer_keys(self) -> list[PublishedAnswerKey]:
        """Whose signatures answers carry, over all models; those of a server that is away too."""
        told: defaultdict[str, list[AnswerKey]] = defaultdict(list)
        for model in self._table or {}:
            for choice in self._seen(model):
                told[choice.card.model.id].extend(choice.card.answer_keys)
        return publishable(told)

    def saturation(self, model: str) -> float:
        """Slots that are asked for per slot there is, where requests for `model` go.

        The mean over the first group that tells, by weight; 0 while nobody does.
        """
        for group in self._groups(model):
            told = [
                (target.weight, saturation)
                for target in group
                if (saturation := self._servers[target.endpoint].saturation) is not None
            ]
            weights = sum(weight for weight, _ in told)
            if weights:
                return sum(weight * saturation for weight, saturation in told) / weights
        return 0.0

    def apply(self, table: RouteTable) -> None:
        """Route by this table from now on; answers in the making go on as they are."""
        self._servers.use({target.endpoint for _, target in _targets(table)})
        self._table = table
        self._unseen &= set(_targets(table))
        self._changed.set()

    async def follow(self, source: TargetSource) -> None:
        """Apply each table that the source tells."""
        async for table in source.tables():
            self.apply(table)
            get_logger().info("routes", count=len(table))

    async def keep_fresh(self) -> None:
        """Ask all servers again and again; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_models_fresh())
            tasks.create_task(self._keep_loads_fresh())

    async def close(self) -> None:
        """Close the connections to all servers."""
        await self._servers.close()

    def _groups(self, model: str) -> Sequence[Group]:
        return (self._table or {}).get(model, ())

    def _choose(self, groups: Sequence[Group], key: str, cohort: str) -> tuple[Choice, ...]:
        """Those that are not ejected; all, if nobody else is left."""
        seen = [
            Choice(server, card, number)
            for number, group in enumerate(groups)
            for target in in_order(group, key, cohort)
            if (card := (server := self._servers[target.endpoint]).cards.get(target.model))
        ]
        if len(seen) == 1:
            return tuple(seen)
        return tuple(choice for choice in seen if not choice.server.is_ejected) or tuple(seen)

    def _seen(self, model: str) -> Iterator[Choice]:
        """Whoever has told that it serves the model, the first group's heaviest target first."""
        for number, group in enumerate(self._groups(model)):
            for target in sorted(group, key=lambda target: -target.weight):
                server = self._servers[target.endpoint]
                if card := server.cards.get(target.model):
                    yield Choice(server, card, number)

    async def _keep_models_fresh(self) -> None:
        while True:
            self._changed.clear()
            await self._servers.refresh_models()
            if self._table is not None and not self._changed.is_set():
                self._report_unseen()
                if all(any(self._seen(model)) for model in self._table):
                    self.known.set()
            await self._until_changed(
                self._refresh_seconds
                if self.known.is_set()
                else min(IMPATIENT_SECONDS, self._refresh_seconds)
            )

    async def _keep_loads_fresh(self) -> None:
        while True:
            await self._servers.refresh_loads()
            await self._servers.close_unused()
            await asyncio.sleep(self._load_seconds)

    async def _until_changed(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _report_unseen(self) -> None:
        """Say it once, not at every refresh."""
        for model, target in _targets(self._table or {}):
            server = self._servers[target.endpoint]
            if not server.silent_because and target.model in server.cards:
                self._unseen.discard((model, target))
            elif (model, target) not in self._unseen:
                self._unseen.add((model, target))
                reason = server.silent_because or "its target serves another model"
                name = target.endpoint.name
                get_logger().warning("model_not_seen", model=model, target=name, reason=reason)


def _sticky_key(exchange: Exchange, principal: Principal, model: str) -> str:
    """Whose requests stay together: a session's that names itself, else a user's."""
    session = exchange.cohort_asked or principal.user_id
    return f"{principal.organization_id} {session} {model}"


def _targets(table: RouteTable) -> Iterator[tuple[str, Target]]:
    for model, groups in table.items():
        for group in groups:
            for target in group:
                yield model, target


def _public(model: str, card: ModelCard) -> ModelCard:
    if card.model.id == model:
        return card
    return replace(card, model=replace(card.model, id=model))
