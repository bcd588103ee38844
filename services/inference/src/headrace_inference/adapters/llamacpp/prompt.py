"""From a prompt to token ids, in which nobody but the chat template can write control tokens."""

import re
from collections.abc import Sequence
from itertools import pairwise

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.chat_template import (
    MarkedConversation,
    control_pattern,
    template_messages,
)
from headrace_inference.adapters.llamacpp.http import LlamaCppHttp
from headrace_inference.adapters.llamacpp.tools import template_texts, template_tools
from headrace_inference.domain.requests import Message, Prompt, Tool, texts_of
from headrace_inference.domain.rules import check_characters

MOST_IN_A_ROW = 4096
"""Characters without a space, or of nothing else. For many vocabularies llama.cpp looks for words
with std::regex, which needs more stack for every character of one: at 30,000 the process dies."""
RUN = re.compile(r"\S+|\s+")


class PromptReader:
    """Tokenizes; the text of a control token within a message stays text."""

    def __init__(
        self, http: LlamaCppHttp, control_texts: tuple[str, ...], *, context_tokens: int
    ) -> None:
        self._http = http
        self._context_tokens = context_tokens
        self._control = control_pattern(control_texts)

    async def tokens(self, prompt: Prompt, tools: Sequence[Tool] = ()) -> tuple[int, ...]:
        """Token ids; a conversation is rendered first, and ends where the answer begins."""
        check_characters(sum(map(len, texts_of(prompt, tools))), self._context_tokens)
        if isinstance(prompt, str):
            return await self._plain(prompt, add_special=True)
        for param, text in template_texts(prompt, tools):
            self._refuse(param, text)
        if any(self._cuts(turn.content) for turn in prompt):
            return await self._tokens_by_piece(prompt, tools)
        text = await self._http.render(template_messages(prompt), template_tools(tools))
        return await self._http.tokens(text, add_special=True, parse_special=True)

    def check_contents(self, prompt: Prompt) -> None:
        """Raise INVALID_FIELD for messages with control tokens' texts, or endless words: for
        whoever cannot read these by piece."""
        if not isinstance(prompt, str):
            for index, turn in enumerate(prompt):
                self._refuse(f"messages[{index}].content", turn.content)

    async def _tokens_by_piece(
        self, turns: tuple[Message, ...], tools: Sequence[Tool]
    ) -> tuple[int, ...]:
        """The template's own pieces with control tokens, the messages between them without."""
        marked = MarkedConversation(turns)
        text = await self._http.render(template_messages(marked.turns), template_tools(tools))
        tokens: tuple[int, ...] = ()
        for index, (piece, is_own) in enumerate(marked.pieces(text)):
            if is_own:
                tokens += await self._http.tokens(piece, add_special=index == 0, parse_special=True)
            else:
                tokens += await self._plain(piece, add_special=False)
        return tokens

    async def _plain(self, text: str, *, add_special: bool) -> tuple[int, ...]:
        """Token ids of a text without any control token.

        That `parse_special` is off is not enough: llama.cpp reads tokens of the type USER_DEFINED
        all the same, and may put others together of the parts that their texts have. So no text of
        one is given it whole.
        """
        cuts = (0, *self._cuts(text), len(text))
        pieces = [text[begin:end] for begin, end in pairwise(cuts)]
        content = pieces if len(pieces) > 1 else text
        return await self._http.tokens(content, add_special=add_special, parse_special=False)

    def _cuts(self, text: str) -> list[int]:
        """Where it must be cut: in every control token's text, and in words without an end."""
        cuts, at = set(_cuts_of_runs(text)), 0
        while found := self._control.search(text, at):
            at = found.start() + 1
            cuts.add(at)
        return sorted(cuts)

    def _refuse(self, param: str, text: str) -> None:
        if _cuts_of_runs(text):
            message = f"{param} must not have {MOST_IN_A_ROW} characters in a row without a space"
            raise HeadraceError(Reason.INVALID_FIELD, f"{message}, with tools", param=param)
        found = self._control.search(text)
        if found is not None:
            message = f"{param} must not contain {found[0]}, which controls this model, with tools"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param)


def _cuts_of_runs(text: str) -> list[int]:
    if len(text) <= MOST_IN_A_ROW:
        return []
    return [
        cut
        for run in RUN.finditer(text)
        for cut in range(run.start() + MOST_IN_A_ROW, run.end(), MOST_IN_A_ROW)
    ]
