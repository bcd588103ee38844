"""Holds a choice to a grammar, token by token."""

from copy import copy
from typing import Any

import torch
from llguidance import LLMatcher
from llguidance.torch import apply_token_bitmask_inplace, fill_next_token_bitmask

from headrace_common.errors import HeadraceError, Reason


class Form:
    """What one choice goes through; `tokenizer` is llguidance's, `grammar` in its words."""

    def __init__(self, tokenizer: Any, grammar: str) -> None:
        self._matcher = LLMatcher(tokenizer, grammar)
        self._allowed = torch.full((1, (tokenizer.vocab_size + 31) // 32), -1, dtype=torch.int32)

    def copy(self) -> "Form":
        """Another choice's, at the same place; cheap, where compiling takes up to seconds."""
        other = copy(self)
        other._matcher = self._matcher.deep_copy()  # noqa: SLF001 - of the same class
        return other

    def restrict(self, scores: torch.Tensor) -> None:
        """Make all tokens impossible that the grammar does not allow next.

        Raises ENGINE_FAILED for one that outgrew the compiler's limits while it was followed: it
        would allow the answer to end here.
        """
        fill_next_token_bitmask(self._matcher, self._allowed, 0)
        if self._matcher.is_error():
            raise _lost()
        apply_token_bitmask_inplace(scores, self._allowed.to(scores.device))

    def take(self, token: int) -> None:
        """Go on by the token; raises ENGINE_FAILED if the grammar does not allow it."""
        if not self._matcher.consume_token(token):
            raise _lost()


def _lost() -> HeadraceError:
    message = "the answer lost its response_format, which is too complex for this engine"
    return HeadraceError(Reason.ENGINE_FAILED, message)
