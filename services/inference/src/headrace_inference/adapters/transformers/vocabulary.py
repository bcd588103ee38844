"""Between text and token ids: the tokenizer and chat template that come with a model."""

from collections.abc import Sequence
from typing import Any

from jinja2.exceptions import TemplateError
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.chat_template import (
    MarkedConversation,
    control_pattern,
    template_messages,
)
from headrace_inference.adapters.forms.grammars import grammar_of
from headrace_inference.adapters.transformers.form import Form
from headrace_inference.domain.requests import Message, Prompt, ResponseFormat, texts_of
from headrace_inference.domain.rules import check_characters


class Vocabulary:
    """A fast tokenizer of the library; its methods may be called from any thread.

    `size` is the model's: it may have more logits than the tokenizer has tokens. `grammar` is the
    tokenizer as llguidance knows it; a model that only embeds needs none.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        size: int,
        end_tokens: frozenset[int] = frozenset(),
        grammar: Any = None,
    ) -> None:
        self.size = size
        self.end_tokens = end_tokens
        self.has_chat_template = bool(tokenizer.chat_template)
        self._tokenizer = tokenizer
        self._marked = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._marked.no_padding()
        self._marked.no_truncation()
        self._plain = Tokenizer.from_str(self._marked.to_str())
        self._plain.encode_special_tokens = True
        self._control = control_pattern(map(str, tokenizer.added_tokens_decoder.values()))
        self._grammar = grammar

    def tokens(self, prompt: Prompt, *, context_tokens: int) -> tuple[int, ...]:
        """Token ids; a conversation is rendered first, and ends where the answer begins.

        The text of a control token within a prompt or message stays text. Raises INVALID_FIELD for
        a conversation that the template refuses.
        """
        check_characters(sum(map(len, texts_of(prompt))), context_tokens)
        if isinstance(prompt, str):
            return tuple(self._plain.encode(prompt, add_special_tokens=True).ids)
        if any(self._control.search(turn.content) for turn in prompt):
            return self._tokens_by_piece(prompt)
        text = self._render(prompt)
        return tuple(self._marked.encode(text, add_special_tokens=False).ids)

    def bytes_of(self, token: int) -> bytes:
        """What a token stands for, which may be a part of a character."""
        return bytes(self._grammar.decode_bytes([token]))

    def text_stream(self) -> "TextStream":
        """Turns one answer's tokens into text."""
        return TextStream(self._marked)

    def form(self, wanted: ResponseFormat | None) -> Form | None:
        """What holds one choice to the format, if one is wanted."""
        return None if wanted is None else Form(self._grammar, grammar_of(wanted))

    def _render(self, turns: Sequence[Message]) -> str:
        render = self._tokenizer.apply_chat_template
        try:
            return str(render(template_messages(turns), tokenize=False, add_generation_prompt=True))
        except TemplateError:
            message = "messages: this model's chat template cannot take them"
            # without the cause: what a template says may quote the conversation
            raise HeadraceError(Reason.INVALID_FIELD, message, param="messages") from None

    def _tokens_by_piece(self, turns: tuple[Message, ...]) -> tuple[int, ...]:
        """The template's own pieces with control tokens, the messages between them without."""
        marked = MarkedConversation(turns)
        tokens: tuple[int, ...] = ()
        for piece, is_own in marked.pieces(self._render(marked.turns)):
            reader = self._marked if is_own else self._plain
            tokens += tuple(reader.encode(piece, add_special_tokens=False).ids)
        return tokens


class TextStream:
    """Text of one answer as its tokens come, whole characters only; control tokens have none."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def feed(self, token: int) -> str:
        """What can be said now; what is left of a character that never ends is never said."""
        return self._stream.step(self._tokenizer, token) or ""
