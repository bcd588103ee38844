"""JSON text without needless escapes, so that patterns meet what a reader of the JSON will read."""

import re

WHOLE = re.compile(
    r"(?:[^\\]++|\\u[0-9a-fA-F]{4}|\\u(?=[0-9a-fA-F]{0,3}[^0-9a-fA-F])|\\[^u])*+", re.DOTALL
)
"""All but half an escape at the end. A `\\u` without its four digits is no JSON, and stays."""
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\.", re.DOTALL)
NEEDED = frozenset('"\\')


class PlainJson:
    """Rewrites a stream of JSON text: the same value, with visible characters unescaped.

    Those beyond U+FFFF stay: their escapes are two, of which each by itself is no character.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """As much of it as ends with no half escape."""
        text = self._held + text
        whole = WHOLE.match(text)
        end = whole.end() if whole else 0
        self._held = text[end:]
        return ESCAPE.sub(_plain, text[:end])

    def flush(self) -> str:
        """Half an escape, which is no JSON, once no more text can come."""
        held, self._held = self._held, ""
        return held


def plain_json(text: str) -> str:
    """A whole text, rewritten."""
    if "\\" not in text:
        return text
    plain = PlainJson()
    return plain.feed(text) + plain.flush()


def _plain(escape: re.Match[str]) -> str:
    if escape[0] == "\\/":
        return "/"
    if not escape[1]:
        return escape[0]
    character = chr(int(escape[1], 16))
    return character if character.isprintable() and character not in NEEDED else escape[0]
