"""route: from a model's public name to the server that answers, and its exact version."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_gateway.domain.answer_keys import PublishedAnswerKey, publishable
from headrace_gateway.domain.completion import ModelCard
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import InferenceTarget


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes."""

    target: InferenceTarget
    card: ModelCard


class Router:
    """Knows the models on offer; asks their servers every few seconds what they serve.

    A server that stops answering keeps its last known version, so that its model stays listed and
    callers get a clear 503 instead of a 404.
    """

    def __init__(self, targets: Mapping[str, InferenceTarget], *, refresh_seconds: float) -> None:
        self._targets = dict(targets)
        self._refresh_seconds = refresh_seconds
        self._cards: dict[str, ModelCard] = {}
        self._unseen: set[str] = set()
        self.known = asyncio.Event()
        """Set once every configured model has been seen."""

    def run(self, exchange: Exchange, principal: Principal, model: str) -> Route:
        """The route for `model`; raises MODEL_NOT_FOUND, NOT_SERVING."""
        exchange.model = model
        if model not in self._targets or not principal.may_use(model):
            raise HeadraceError(
                Reason.MODEL_NOT_FOUND,
                f"The model `{model}` does not exist or you do not have access to it.",
                param="model",
            )
        card = self._cards.get(model)
        if card is None:
            raise HeadraceError(
                Reason.NOT_SERVING, f"The model `{model}` is starting.", retry_after_seconds=5
            )
        exchange.model_version = card.model.version
        return Route(self._targets[model], card)

    def cards_for(self, principal: Principal) -> list[ModelCard]:
        """The models that `principal` may use."""
        return [card for name, card in sorted(self._cards.items()) if principal.may_use(name)]

    def answer_keys(self) -> list[PublishedAnswerKey]:
        """Whose signatures answers carry, over all models; those of a server that is away too."""
        return publishable({name: card.answer_keys for name, card in self._cards.items()})

    async def keep_fresh(self) -> None:
        """Ask all servers again and again; runs until cancelled."""
        while True:
            await asyncio.gather(*(self._refresh(name) for name in self._targets))
            if len(self._cards) == len(self._targets):
                self.known.set()
            await asyncio.sleep(self._refresh_seconds if self.known.is_set() else 0.2)

    async def _refresh(self, name: str) -> None:
        try:
            cards = await self._targets[name].models()
        except HeadraceError as error:
            self._report(name, error.reason.value)
            return
        card = next((card for card in cards if card.model.id == name), None)
        if card is None:
            self._report(name, "its target serves another model")
            return
        self._cards[name] = card
        self._unseen.discard(name)

    def _report(self, name: str, reason: str) -> None:
        """Say it once, not at every refresh."""
        if name not in self._unseen:
            self._unseen.add(name)
            get_logger().warning("model_not_seen", model=name, reason=reason)
