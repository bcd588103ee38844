"""One choice of a running request: its tokens, and what is told of them."""

from headrace_inference.adapters.transformers.drawing import Drawn, TokenDrawer
from headrace_inference.adapters.transformers.job import Job
from headrace_inference.adapters.transformers.vocabulary import Vocabulary
from headrace_inference.domain.events import (
    UNTOLD_TOKENS,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    TokenLogprob,
)
from headrace_inference.domain.stopping import StopScanner


class Choice:
    """What is drawn for it, and what of that is text; `token` is the last one drawn."""

    def __init__(self, job: Job, vocabulary: Vocabulary, index: int) -> None:
        sampling = job.request.sampling
        form = job.form.copy() if job.form is not None else None
        self.drawer = TokenDrawer(sampling, index, job.prompt_tokens, form)
        self.token = -1
        self.done = False
        self._index = index
        self._max_tokens = job.max_tokens
        self._vocabulary = vocabulary
        self._text = vocabulary.text_stream()
        self._scanner = StopScanner(sampling.stop)
        self._tokens = 0
        self._told = 0
        self._logprobs: list[TokenLogprob] = []

    def take(self, drawn: Drawn) -> list[EngineEvent]:
        """Go on by a token; what there is to tell now. Raises what drawing it failed with."""
        if drawn.failure is not None:
            raise drawn.failure
        self.token = drawn.token
        self._tokens += 1
        ended = drawn.token in self._vocabulary.end_tokens
        text, stopped = "", False
        if not ended:
            if self.drawer.top_logprobs is not None:
                self._logprobs.append(self._described(drawn))
            text, stopped = self._scanner.feed(self._text.feed(drawn.token))
        self.done = ended or stopped or self._tokens >= self._max_tokens
        if self.done and not stopped:
            text += self._scanner.flush()
        events: list[EngineEvent] = []
        untold = self._tokens - self._told
        if text or untold >= UNTOLD_TOKENS:
            # without a text there may yet be none: log probabilities come with theirs
            logprobs = tuple(self._logprobs) if text else ()
            events.append(Delta(self._index, text, untold, logprobs))
            self._told = self._tokens
        if text:
            self._logprobs.clear()
        if self.done:
            reason = FinishReason.STOP if ended or stopped else FinishReason.LENGTH
            events.append(ChoiceFinished(self._index, reason, self._tokens))
        return events

    def _described(self, drawn: Drawn) -> TokenLogprob:
        top = tuple(self._named(token, logprob) for token, logprob in drawn.top)
        said = self._vocabulary.bytes_of(drawn.token)
        return TokenLogprob(said.decode(errors="replace"), said, drawn.logprob, top)

    def _named(self, token: int, logprob: float) -> TokenLogprob:
        said = self._vocabulary.bytes_of(token)
        return TokenLogprob(said.decode(errors="replace"), said, logprob)
