"""Continuous batching on a static cache: requests join and leave between two passes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headrace_inference.adapters.transformers_attention import Group, Pass, SlotCache
from headrace_inference.adapters.transformers_choice import Choice, Drawn
from headrace_inference.adapters.transformers_drawing import likeliest
from headrace_inference.adapters.transformers_run import End, Event, Run
from headrace_inference.adapters.transformers_spans import Span, plan_spans
from headrace_inference.adapters.transformers_vocabulary import Vocabulary
from headrace_inference.domain.events import Accepted, Working

Told = list[tuple[Run, Event]]


@dataclass(slots=True)
class Reading:
    """A request whose prompt is being read, once for all its choices, into the first one's slot."""

    run: Run
    choices: list[Choice]
    done: int = 0


class Batch:
    """Belongs to one thread.

    Each `step` is one pass of the model over the next token of every choice that is being written
    and up to `chunk_tokens` of prompts that are being read, first come first served.
    """

    def __init__(
        self, model: Any, vocabulary: Vocabulary, *, slots: int, context_tokens: int, chunk: int
    ) -> None:
        self._model = model
        self._device = model.device
        self._vocabulary = vocabulary
        self._cache = SlotCache(slots, context_tokens)
        self._chunk = chunk
        self._free = set(range(slots))
        self._waiting: deque[Run] = deque()
        self._readings: list[Reading] = []
        self._writing: dict[Choice, Run] = {}

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._readings or self._writing)

    def join(self, run: Run) -> None:
        """Begin with the request as soon as there are slots for all its choices."""
        self._waiting.append(run)

    def leave(self, run: Run) -> None:
        """Drop the request, wherever it is."""
        if run in self._waiting:
            self._waiting.remove(run)
        for reading in [reading for reading in self._readings if reading.run is run]:
            self._readings.remove(reading)
            self._free.update(choice.row for choice in reading.choices)
        for choice in [choice for choice, writer in self._writing.items() if writer is run]:
            del self._writing[choice]
            self._free.add(choice.row)

    def leave_all(self) -> list[Run]:
        """Drop everything; those that were in it."""
        runs = [*self._waiting, *(reading.run for reading in self._readings)]
        runs += dict.fromkeys(self._writing.values())
        for run in runs:
            self.leave(run)
        return runs

    def step(self) -> Told:
        """One pass, and what there is to tell after it."""
        told = self._let_in()
        plan = _Plan(self._cache, self._device)
        plan.write(sorted(self._writing, key=lambda choice: choice.row))
        writers = list(plan.choices)
        finished = self._plan_reading(plan)
        with torch.no_grad():
            logits = self._model(**plan.arguments()).logits[0]
            told += self._after_writing(writers, logits)
            told += self._after_reading(finished, logits[len(writers) :])
        return told

    def _let_in(self) -> Told:
        told: Told = []
        while self._waiting and self._waiting[0].request.sampling.choices <= len(self._free):
            run = self._waiting.popleft()
            try:
                choices = self._new_choices(run)
            except Exception as error:  # noqa: BLE001 - this request's own failure
                told.append((run, End(error)))
                continue
            self._free.difference_update(choice.row for choice in choices)
            self._readings.append(Reading(run, choices))
            told.append((run, Accepted()))
        return told

    def _new_choices(self, run: Run) -> list[Choice]:
        count = run.request.sampling.choices
        return [
            Choice(
                run.request,
                run.prompt_tokens,
                run.max_tokens,
                self._vocabulary,
                index=index,
                row=row,
            )
            # the lowest slots: attention is cheapest over neighbours
            for index, row in enumerate(sorted(self._free)[:count])
        ]

    def _plan_reading(self, plan: "_Plan") -> list[Reading]:
        """Add chunks of prompts; those readings that end with this pass."""
        left, finished = self._chunk, []
        for reading in self._readings:
            tokens = reading.run.prompt_tokens[reading.done : reading.done + left]
            if not tokens:
                break
            last = reading.done + len(tokens) == len(reading.run.prompt_tokens)
            plan.read(reading.choices[0].row, reading.done, tokens, last=last)
            reading.done += len(tokens)
            left -= len(tokens)
            if last:
                finished.append(reading)
        return finished

    def _after_writing(self, writers: Sequence[Choice], logits: torch.Tensor) -> Told:
        for choice in writers:
            choice.length += 1
        return self._draw([(choice, self._writing[choice]) for choice in writers], logits)

    def _after_reading(self, finished: Sequence[Reading], logits: torch.Tensor) -> Told:
        told: Told = []
        for reading, row_logits in zip(finished, logits, strict=False):
            self._readings.remove(reading)
            first = reading.choices[0]
            for choice in reading.choices[1:]:
                self._cache.copy(first.row, choice.row, first.length)
            self._writing.update(dict.fromkeys(reading.choices, reading.run))
            pairs = [(choice, reading.run) for choice in reading.choices]
            told += self._draw(pairs, row_logits.expand(len(pairs), -1))
        told += [(reading.run, Working()) for reading in self._readings]
        return told

    def _draw(self, pairs: Sequence[tuple[Choice, Run]], logits: torch.Tensor) -> Told:
        """One token for each, `logits` being (choices, vocabulary)."""
        if not pairs:
            return []
        told: Told = []
        best = logits.argmax(-1).tolist()
        for (choice, run), row, likely in zip(pairs, logits, best, strict=False):
            drawer = choice.drawer
            token = likely if drawer.takes_the_likeliest else drawer.draw(row)
            drawn = Drawn(token)
            if choice.top_logprobs is not None:
                drawn = Drawn(token, *likeliest(row, token, choice.top_logprobs))
            told += [(run, event) for event in choice.take(drawn)] or [(run, Working())]
            if choice.done:
                self._end(choice, run, told)
        return told

    def _end(self, choice: Choice, run: Run, told: Told) -> None:
        del self._writing[choice]
        self._free.add(choice.row)
        if run not in self._writing.values():
            told.append((run, End()))


class _Plan:
    """The tokens of one pass."""

    def __init__(self, cache: SlotCache, device: Any) -> None:
        self._cache = cache
        self._device = device
        self._tokens: list[int] = []
        self._positions: list[int] = []
        self._cells: list[int] = []
        self._wanted: list[int] = []
        self._spans: list[tuple[Span, list[list[int | None]]]] = []
        self.choices: list[Choice] = []

    def write(self, choices: Sequence[Choice]) -> None:
        """The next token of each, in the order of slots."""
        places: dict[int, int] = {}
        for choice in choices:
            places[choice.row] = self._add(choice.row, choice.length, choice.token)
            self._wanted.append(places[choice.row])
        self.choices += choices
        for span in plan_spans([(choice.row, choice.length + 1) for choice in choices]):
            rows = range(span.first, span.last + 1)
            self._spans.append((span, [[places.get(row)] for row in rows]))

    def read(self, row: int, start: int, tokens: Sequence[int], *, last: bool) -> None:
        """A piece of a prompt; after the last one logits are wanted."""
        places: list[int | None] = [
            self._add(row, start + offset, token) for offset, token in enumerate(tokens)
        ]
        self._spans.append((Span(row, row, start + len(tokens)), [places]))
        if last:
            self._wanted.append(len(self._tokens) - 1)

    def arguments(self) -> dict[str, Any]:
        """For the model; where no logits are wanted it computes those of one token."""
        groups = [self._group(span, places) for span, places in self._spans]
        return {
            "input_ids": self._tensor([self._tokens]),
            "position_ids": self._tensor([self._positions]),
            "use_cache": False,
            "logits_to_keep": self._tensor(self._wanted or [0]),
            "headrace_pass": Pass(self._cache, self._tensor(self._cells), groups),
        }

    def _add(self, row: int, position: int, token: int) -> int:
        self._tokens.append(token)
        self._positions.append(position)
        self._cells.append(self._cache.cell(row, position))
        return len(self._tokens) - 1

    def _group(self, span: Span, places: list[list[int | None]]) -> Group:
        behind = len(self._tokens)
        gather = [[place or 0 for place in row] for row in places]
        scatter = [[behind if place is None else place for place in row] for row in places]
        positions = [
            [0 if place is None else self._positions[place] for place in row] for row in places
        ]
        return Group(span, self._tensor(gather), self._tensor(scatter), self._tensor(positions))

    def _tensor(self, numbers: Any) -> torch.Tensor:
        return torch.tensor(numbers, device=self._device)
