"""Which of a model's tokens are no text of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gguf import GGUFReader, TokenType

from headrace_inference.weights.notes import remembered

NO_TEXT = frozenset({TokenType.UNKNOWN, TokenType.CONTROL, TokenType.UNUSED})
BYTE_LEVEL = "gpt2"
"""How GGUF files call vocabularies whose tokens are bytes, each written as a letter."""


def textless_tokens(path: Path) -> frozenset[int]:
    """Control tokens, without that which ends answers, and tokens that are parts of characters.

    Raises ValueError or LookupError for a file that is no GGUF model.
    """
    return frozenset(map(int, remembered(path, "textless_tokens", _read)))


def _read(path: Path) -> list[int]:
    fields = GGUFReader(path).fields
    kinds = fields.get("tokenizer.ggml.token_type")
    texts = fields.get("tokenizer.ggml.tokens")
    if kinds is None or texts is None:  # a file without a vocabulary, which no engine will load
        return []
    is_byte_level = fields["tokenizer.ggml.model"].contents() == BYTE_LEVEL
    end = fields.get("tokenizer.ggml.eos_token_id")
    kept = None if end is None else end.contents()
    entries = enumerate(zip(texts.contents(), kinds.contents(), strict=True))
    letters = dict(_letters())
    return [
        token
        for token, (text, kind) in entries
        if token != kept and not _is_text(str(text), kind, letters if is_byte_level else {})
    ]


def _is_text(text: str, kind: Any, letters: dict[str, int]) -> bool:
    if kind in NO_TEXT:
        return False
    if kind == TokenType.BYTE:  # written as <0x0A>
        return int(text[1:-1], 16) < 0x80
    if kind != TokenType.NORMAL or not all(letter in letters for letter in text):
        return True
    try:
        bytes(letters[letter] for letter in text).decode()
    except UnicodeDecodeError:
        return False
    return True


def _letters() -> Iterator[tuple[str, int]]:
    """GPT-2's letter for each byte: itself in Latin-1 if that is visible, else one from U+0100 on.

    The others are numbered in the order of the bytes.
    """
    others = 0
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or (byte >= 0xA1 and byte != 0xAD):
            yield chr(byte), byte
        else:
            yield chr(0x100 + others), byte
            others += 1
