"""The model that this process serves, for whoever asks it for something."""

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.models import EngineInfo, ModelVersion
from headrace_inference.domain.requests import Prompt
from headrace_inference.domain.rules import check_prompt
from headrace_inference.domain.scheduler import Scheduler
from headrace_inference.domain.silence import Silence
from headrace_inference.ports import Engine


class ServedModel:
    """An engine, the line before it, and how long it has been silent at work.

    After `silent_seconds` without a word while it has work the engine counts as stalled.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        *,
        model_id: str,
        silent_seconds: float,
        clock: Clock,
    ) -> None:
        self.engine = engine
        self.scheduler = scheduler
        self._model_id = model_id
        self._silent_seconds = silent_seconds
        self.silence = Silence(clock)

    def versions(self) -> dict[str, ModelVersion]:
        """What answers, by its id, the model itself first; raises NOT_SERVING while it loads."""
        info = self.engine.info
        digests = {self._model_id: info.digest, **info.adapted}
        return {name: ModelVersion(name, digest) for name, digest in digests.items()}

    def version(self, model: str) -> ModelVersion:
        """What answers under this id; raises MODEL_NOT_FOUND, NOT_SERVING while it loads."""
        versions = self.versions()
        if model not in versions:
            message = f"this server serves {', '.join(versions)} only"
            raise HeadraceError(Reason.MODEL_NOT_FOUND, message, param="model")
        return versions[model]

    def info(self) -> EngineInfo:
        """What runs it; raises NOT_SERVING while the engine loads."""
        return self.engine.info

    def load(self) -> LoadReport:
        """How busy the server is; also while the engine loads."""
        return self.scheduler.load()

    async def check_engine(self) -> None:
        """Raise ENGINE_FAILED if it has work and has shown no sign of life for `silent_seconds`,
        and what it says itself of its health."""
        await self.engine.health()
        silent = self.silence.seconds()
        if silent > self._silent_seconds:
            raise HeadraceError(Reason.ENGINE_FAILED, f"the engine is silent for {silent:.0f} s")

    async def tokens(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        """The prompt's token ids."""
        self.version(model)
        check_prompt(prompt)
        self.engine.info.capabilities.check_prompt(prompt)
        return await self.engine.tokenize(prompt)


def too_late() -> HeadraceError:
    """What ends a request that takes too long."""
    return HeadraceError(Reason.DEADLINE_EXCEEDED, "the answer took longer than this server allows")
