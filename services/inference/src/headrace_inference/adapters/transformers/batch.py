"""Continuous batching on a static cache: requests join and leave between two passes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headrace_inference.adapters.event_stream import End
from headrace_inference.adapters.transformers.attention import SlotCache
from headrace_inference.adapters.transformers.choice import Choice
from headrace_inference.adapters.transformers.drawing import draw_all
from headrace_inference.adapters.transformers.forward_pass import PassPlan
from headrace_inference.adapters.transformers.job import Job, Told
from headrace_inference.adapters.transformers.vocabulary import Vocabulary
from headrace_inference.domain.events import Accepted, Working


@dataclass(slots=True)
class Writer:
    """A choice and its slot, which holds `length` tokens."""

    job: Job
    choice: Choice
    row: int
    length: int


@dataclass(slots=True)
class Reading:
    """A request whose prompt is being read, once for all its choices, into the first one's slot."""

    job: Job
    writers: list[Writer]
    done: int = 0


class Batch:
    """Belongs to one thread.

    Each `step` is one pass of the model over the next token of every choice that is being written
    and up to `chunk` tokens of prompts that are being read, first come first served.
    """

    def __init__(
        self, model: Any, vocabulary: Vocabulary, *, slots: int, context_tokens: int, chunk: int
    ) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._cache = SlotCache(slots, context_tokens)
        self._chunk = chunk
        self._free = set(range(slots))
        self._waiting: deque[Job] = deque()
        self._readings: list[Reading] = []
        self._writing: dict[int, Writer] = {}

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._readings or self._writing)

    def join(self, job: Job) -> None:
        """Begin with the request as soon as there are slots for all its choices."""
        self._waiting.append(job)

    def leave(self, job: Job) -> None:
        """Drop the request, wherever it is."""
        if job in self._waiting:
            self._waiting.remove(job)
        for reading in [reading for reading in self._readings if reading.job is job]:
            self._readings.remove(reading)
            self._free.update(writer.row for writer in reading.writers)
        for row in [row for row, writer in self._writing.items() if writer.job is job]:
            del self._writing[row]
            self._free.add(row)

    def leave_all(self) -> list[Job]:
        """Drop everything; those that were in it."""
        jobs = [*self._waiting, *(reading.job for reading in self._readings)]
        jobs += dict.fromkeys(writer.job for writer in self._writing.values())
        for job in jobs:
            self.leave(job)
        return jobs

    def close(self) -> None:
        """Nothing is left to do."""

    def step(self) -> Told:
        """One pass, and what there is to tell after it."""
        told = self._let_in()
        plan = PassPlan(self._cache, self._model.device)
        writers = [self._writing[row] for row in sorted(self._writing)]
        plan.write([(writer.row, writer.length, writer.choice.token) for writer in writers])
        finished = self._plan_reading(plan)
        with torch.no_grad():
            logits = self._model(**plan.arguments()).logits[0]
        for writer in writers:
            writer.length += 1
        told += self._draw(writers, logits[: len(writers)])
        for reading, row in zip(finished, logits[len(writers) :], strict=False):
            told += self._end_reading(reading, row)
        return told + [(reading.job, Working()) for reading in self._readings]

    def _let_in(self) -> Told:
        told: Told = []
        while self._waiting and self._waiting[0].request.sampling.choices <= len(self._free):
            job = self._waiting.popleft()
            try:
                writers = self._writers(job)
            except Exception as error:  # noqa: BLE001 - this request's own failure
                told.append((job, End(error)))
                continue
            self._free.difference_update(writer.row for writer in writers)
            self._readings.append(Reading(job, writers))
            told.append((job, Accepted()))
        return told

    def _writers(self, job: Job) -> list[Writer]:
        # the lowest slots: attention is cheapest over neighbours
        rows = sorted(self._free)[: job.request.sampling.choices]
        length = len(job.prompt_tokens)
        return [
            Writer(job, Choice(job, self._vocabulary, index), row, length)
            for index, row in enumerate(rows)
        ]

    def _plan_reading(self, plan: PassPlan) -> list[Reading]:
        """Add pieces of prompts; those readings that end with this pass."""
        left, finished = self._chunk, []
        for reading in self._readings:
            tokens = reading.job.prompt_tokens[reading.done : reading.done + left]
            if not tokens:
                break
            last = reading.done + len(tokens) == len(reading.job.prompt_tokens)
            plan.read(reading.writers[0].row, reading.done, tokens, last=last)
            reading.done += len(tokens)
            left -= len(tokens)
            if last:
                finished.append(reading)
        return finished

    def _end_reading(self, reading: Reading, logits: torch.Tensor) -> Told:
        self._readings.remove(reading)
        first, *others = reading.writers
        for writer in others:
            self._cache.copy(first.row, writer.row, first.length)
        self._writing.update((writer.row, writer) for writer in reading.writers)
        return self._draw(reading.writers, logits.expand(len(reading.writers), -1))

    def _draw(self, writers: Sequence[Writer], logits: torch.Tensor) -> Told:
        """The next token of each, `logits` being (writers, vocabulary)."""
        told: Told = []
        drawn = draw_all([writer.choice.drawer for writer in writers], logits)
        for writer, token in zip(writers, drawn, strict=True):
            if self._writing.get(writer.row) is not writer:
                continue  # another choice of its job has failed
            try:
                events = writer.choice.take(token)
            except Exception as error:  # noqa: BLE001 - this request's own failure
                self.leave(writer.job)
                told.append((writer.job, End(error)))
                continue
            told += [(writer.job, event) for event in events or [Working()]]
            if writer.choice.done:
                del self._writing[writer.row]
                self._free.add(writer.row)
                if all(other.job is not writer.job for other in self._writing.values()):
                    told.append((writer.job, End()))
        return told
