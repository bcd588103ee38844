"""How a model's control tokens are written."""

from pathlib import Path

from gguf import GGUFReader, TokenType

from headrace_inference.weights.notes import remembered

CONTROL = frozenset({TokenType.CONTROL, TokenType.USER_DEFINED})


def control_texts(path: Path) -> tuple[str, ...]:
    """Their texts, longest first; reading a vocabulary of 50,000 takes 3 s, the first time.

    Raises ValueError or LookupError for a file that is no GGUF model.
    """
    return tuple(map(str, remembered(path, "control_texts", _read)))


def _read(path: Path) -> list[str]:
    fields = GGUFReader(path).fields
    kinds = fields.get("tokenizer.ggml.token_type")
    texts = fields.get("tokenizer.ggml.tokens")
    if kinds is None or texts is None:  # a file without a vocabulary, which no engine will load
        return []
    found = [str(texts.contents(i)) for i, kind in enumerate(kinds.contents()) if kind in CONTROL]
    return sorted(filter(None, found), key=len, reverse=True)
