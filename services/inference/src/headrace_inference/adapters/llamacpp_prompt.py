"""From a prompt to token ids, in which nobody but the chat template can write control tokens."""

import re
import secrets

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp_http import LlamaCppHttp
from headrace_inference.domain.requests import Message, Prompt

CHARACTERS_PER_TOKEN = 64
"""More than a token stands for on average, even of spaces: a longer prompt cannot fit."""


class PromptReader:
    """Tokenizes; the text of a control token within a message stays text."""

    def __init__(
        self, http: LlamaCppHttp, control_texts: tuple[str, ...], *, context_tokens: int
    ) -> None:
        self._http = http
        self._maximum_characters = context_tokens * CHARACTERS_PER_TOKEN
        self._control = re.compile("|".join(map(re.escape, control_texts)) or "(?!)")

    async def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids; a conversation is rendered first, and ends where the answer begins."""
        self._check_length(prompt)
        if isinstance(prompt, str):
            return await self._http.tokens(prompt, add_special=True, parse_special=False)
        if any(self._control.search(turn.content) for turn in prompt):
            return await self._tokens_by_piece(prompt)
        text = await self._http.render([(_role(turn), turn.content) for turn in prompt])
        return await self._http.tokens(text, add_special=True, parse_special=True)

    async def _tokens_by_piece(self, turns: tuple[Message, ...]) -> tuple[int, ...]:
        """The template's own pieces with control tokens, the messages between them without."""
        contents = {f"\ue000{secrets.token_hex(12)}\ue001": turn.content for turn in turns}
        marked = zip(map(_role, turns), contents, strict=True)
        text = await self._http.render(list(marked))
        tokens: tuple[int, ...] = ()
        for index, piece in enumerate(re.split(f"({'|'.join(contents)})", text)):
            content = contents.get(piece)
            if content is None:
                tokens += await self._http.tokens(piece, add_special=index == 0, parse_special=True)
            else:
                tokens += await self._http.tokens(content, add_special=False, parse_special=False)
        return tokens

    def _check_length(self, prompt: Prompt) -> None:
        texts = [prompt] if isinstance(prompt, str) else [turn.content for turn in prompt]
        characters = sum(map(len, texts))
        if characters > self._maximum_characters:
            raise HeadraceError(
                Reason.CONTEXT_LENGTH_EXCEEDED,
                f"the prompt has {characters} characters, more than this model's context can hold",
                param="prompt",
            )


def _role(turn: Message) -> str:
    # chat templates of open models know no developer; OpenAI treats the two alike
    return "system" if turn.role == "developer" else turn.role
