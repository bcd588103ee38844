"""What every route needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from headrace_common.clock import Clock
from headrace_gateway.domain.answer_keys import PublishedAnswerKey
from headrace_gateway.http.pipeline_response import Patience
from headrace_gateway.pipeline import Pipeline
from headrace_gateway.ports import Accounts, PublishedKeys
from headrace_gateway.running import RunningExchanges


@dataclass(slots=True)
class Readiness:
    """Whether to send traffic here: every named check holds and the process is not draining."""

    checks: Mapping[str, Callable[[], bool]]
    draining: bool = field(default=False, init=False)
    running: RunningExchanges = field(default_factory=RunningExchanges, init=False)
    """Stopped when draining has taken as long as it may."""

    def missing(self) -> list[str]:
        """Names of what is not there yet, for people who read the probe's answer."""
        names = [name for name, holds in self.checks.items() if not holds()]
        return [*names, "draining"] if self.draining else names


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The pipeline and what the HTTP side needs beside it."""

    pipeline: Pipeline
    accounts: Accounts
    published_keys: PublishedKeys
    answer_keys: Callable[[], Sequence[PublishedAnswerKey]]
    clock: Clock
    patience: Patience
    readiness: Readiness
    native_prompt_characters: int
    """The longest prompt of `/api/v1/llm`."""
