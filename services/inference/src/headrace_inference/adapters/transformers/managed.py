"""Continuous batching by the library's own manager, which is for GPUs. Not run on a GPU yet."""

import math
import queue
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch
from transformers import ContinuousBatchingConfig
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
)

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.event_stream import End
from headrace_inference.adapters.transformers.choice import Choice
from headrace_inference.adapters.transformers.drawing import Drawn, draw_all
from headrace_inference.adapters.transformers.job import Job, Told
from headrace_inference.adapters.transformers.vocabulary import Vocabulary
from headrace_inference.domain.events import Accepted, Working

PAGE_TOKENS = 256
WAIT_SECONDS = 0.01
"""Longest wait for tokens before requests may join or leave."""
STOP_SECONDS = 10.0


@dataclass(slots=True)
class Writing:
    """A choice in the manager; `drawn` is filled by its thread and emptied by the worker's."""

    job: Job
    choice: Choice
    drawn: deque[Drawn] = field(default_factory=deque)
    told: int = 0


class Drawing(ContinuousBatchingLogitsProcessor):
    """Draws tokens by each choice's own parameters, and leaves the manager nothing else to take."""

    supported_kwargs: dict[str, type] = {}  # noqa: RUF012 - the library's own declaration
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self, writing: dict[str, Writing]) -> None:
        self._writing = writing
        self._rows: list[Writing | None] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Every request has parameters of its own."""
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests_with_new_token: Sequence[Any]) -> torch.Tensor:
        """Remember whose logits come next, in their order."""
        ids = [request.state.request_id for request in requests_with_new_token]
        self._rows = [self._writing.get(name) for name in ids]
        return torch.zeros(len(ids), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Scores under which the drawn tokens are the likeliest."""
        rows = [(at, writing) for at, writing in enumerate(self._rows) if writing is not None]
        drawers = [writing.choice.drawer for _, writing in rows]
        found = draw_all(drawers, scores[[at for at, _ in rows]])
        for (at, writing), drawn in zip(rows, found, strict=True):
            writing.drawn.append(drawn)
            scores[at] = -math.inf
            scores[at, drawn.token] = 0.0
        return scores


class ManagedBatch:
    """What the worker's thread knows of the manager, which has a thread of its own.

    Tokens are drawn by Python code between two passes, so CUDA graphs are off; blocks of keys are
    not shared between requests, since that tells by its timing what others have asked.
    """

    def __init__(
        self, model: Any, vocabulary: Vocabulary, *, slots: int, context_tokens: int, chunk: int
    ) -> None:
        self._vocabulary = vocabulary
        self._writing: dict[str, Writing] = {}
        self._numbers = count()
        self._joined: Told = []
        self._manager = model.init_continuous_batching(
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE_TOKENS,
                num_blocks=slots * math.ceil(context_tokens / PAGE_TOKENS) + 1,
                max_batch_tokens=slots + chunk,
                max_requests_per_batch=slots,
                allow_block_sharing=False,
                use_async_batching=False,
                use_cuda_graph=False,
            )
        )
        processors = self._manager.logit_processor
        processors.logits_processor.clear()
        processors.logits_processor.append(Drawing(self._writing))
        processors.tensors_required = 1
        processors.do_processing = True
        self._manager.start()

    @property
    def busy(self) -> bool:
        return bool(self._writing or self._joined)

    def join(self, job: Job) -> None:
        """Hand every choice to the manager."""
        indices = range(job.request.sampling.choices)
        try:
            choices = [Choice(job, self._vocabulary, index) for index in indices]
        except Exception as error:  # noqa: BLE001 - this request's own failure
            self._joined.append((job, End(error)))
            return
        self._joined.append((job, Accepted()))
        ends = sorted(self._vocabulary.end_tokens)
        for choice in choices:
            name = f"{next(self._numbers)}"
            self._writing[name] = Writing(job, choice)
            self._manager.add_request(
                list(job.prompt_tokens),
                request_id=name,
                max_new_tokens=job.max_tokens,
                streaming=True,
                eos_token_id=ends or -1,
            )

    def leave(self, job: Job) -> None:
        """Cancel what is left of it."""
        for name in [name for name, writing in self._writing.items() if writing.job is job]:
            self._forget(name)

    def leave_all(self) -> list[Job]:
        """Cancel everything."""
        jobs = list(dict.fromkeys(writing.job for writing in self._writing.values()))
        for job in jobs:
            self.leave(job)
        return jobs

    def step(self) -> Told:
        """Wait for tokens, a little, and tell of them."""
        told, self._joined = self._joined, []
        for output in self._outputs():
            writing = self._writing.get(output.request_id)
            if writing is not None:
                told += self._told(output, writing)
        return told

    def close(self) -> None:
        """End the manager's thread."""
        self._manager.stop(block=True, timeout=STOP_SECONDS, hard_stop=True)

    def _outputs(self) -> list[Any]:
        found = []
        with suppress(queue.Empty):
            found.append(self._manager.output_router.output_queue.get(timeout=WAIT_SECONDS))
            while True:
                found.append(self._manager.output_router.output_queue.get_nowait())
        if not found and not self._manager.is_running():
            raise HeadraceError(Reason.ENGINE_FAILED, "the library's batching has ended")
        return found

    def _told(self, output: Any, writing: Writing) -> Told:
        if output.error is not None:
            self.leave(writing.job)
            failure = HeadraceError(Reason.ENGINE_FAILED, "the engine failed")
            return [(writing.job, End(failure))]
        told: Told = []
        while writing.told < len(output.generated_tokens) and not writing.choice.done:
            writing.told += 1
            try:
                events = writing.choice.take(writing.drawn.popleft())
            except Exception as error:  # noqa: BLE001 - this request's own failure
                self.leave(writing.job)
                return [*told, (writing.job, End(error))]
            told += [(writing.job, event) for event in events or [Working()]]
        if writing.choice.done:
            self._forget(output.request_id)
            if all(other.job is not writing.job for other in self._writing.values()):
                told.append((writing.job, End()))
        return told

    def _forget(self, name: str) -> None:
        del self._writing[name]
        self._manager.cancel_request(name)
