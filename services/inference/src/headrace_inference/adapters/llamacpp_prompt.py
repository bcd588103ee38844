"""From a prompt to token ids, in which nobody but the chat template can write control tokens."""

import re
import secrets

from headrace_inference.adapters.llamacpp_http import LlamaCppHttp
from headrace_inference.domain.requests import Message, Prompt
from headrace_inference.domain.rules import check_characters


class PromptReader:
    """Tokenizes; the text of a control token within a message stays text."""

    def __init__(
        self, http: LlamaCppHttp, control_texts: tuple[str, ...], *, context_tokens: int
    ) -> None:
        self._http = http
        self._context_tokens = context_tokens
        self._control = re.compile("|".join(map(re.escape, control_texts)) or "(?!)")

    async def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids; a conversation is rendered first, and ends where the answer begins."""
        texts = [prompt] if isinstance(prompt, str) else [turn.content for turn in prompt]
        check_characters(sum(map(len, texts)), self._context_tokens)
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


def _role(turn: Message) -> str:
    # chat templates of open models know no developer; OpenAI treats the two alike
    return "system" if turn.role == "developer" else turn.role
