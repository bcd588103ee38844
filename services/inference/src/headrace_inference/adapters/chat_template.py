"""What a model's chat template is given, and which parts of its text are the callers'."""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from headrace_inference.domain.requests import Message


class MarkedConversation:
    """The same turns with marks that nobody can guess as their contents.

    In what a template makes of them its own text can be told from that of callers, in which
    control tokens are none.
    """

    def __init__(self, turns: Iterable[Message]) -> None:
        self._contents: dict[str, str] = {}
        self.turns = [replace(turn, content=self._mark(turn.content)) for turn in turns]

    def pieces(self, rendered: str) -> Iterator[tuple[str, bool]]:
        """The pieces of the rendered text, contents in their places again, and whether each is the
        template's own; the first one is, if only as an empty text."""
        for piece in re.split(f"({'|'.join(self._contents)})", rendered):
            yield self._contents.get(piece, piece), piece not in self._contents

    def _mark(self, content: str) -> str:
        if not content:  # which templates may ask for
            return ""
        mark = f"\ue000{secrets.token_hex(12)}\ue001"
        self._contents[mark] = content
        return mark


def template_messages(turns: Iterable[Message]) -> list[dict[str, Any]]:
    """A conversation for the model's chat template."""
    return [_message(turn) for turn in turns]


def template_role(turn: Message) -> str:
    """Chat templates of open models know no developer; OpenAI treats the two alike."""
    return "system" if turn.role == "developer" else turn.role


def plain_json(document: str) -> str:
    """The same JSON without escapes, as a template may write it."""
    return json.dumps(json.loads(document), ensure_ascii=False)


def control_pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Finds any of these texts of control tokens."""
    return re.compile("|".join(map(re.escape, texts)) or "(?!)")


def written_calls(turn: Message, write: Callable[[str], str]) -> list[dict[str, Any]]:
    """A turn's calls in OpenAI's shape, their arguments as `write` has them."""
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": write(call.arguments)},
        }
        for call in turn.tool_calls
    ]


def _message(turn: Message) -> dict[str, Any]:
    message: dict[str, Any] = {"role": template_role(turn), "content": turn.content}
    if turn.tool_call_id:
        message["tool_call_id"] = turn.tool_call_id
    if turn.tool_calls:
        # what is looked through for control tokens, not a text that may say more
        message["tool_calls"] = written_calls(turn, plain_json)
    return message
