"""What an embedding model's GGUF file tells of it: whether it is one, its sizes, its vocabulary."""

from pathlib import Path

from gguf import GGUFReader, Keys, PoolingType, TokenType

from headrace_inference.weights.notes import remembered

WORD_START = "\u2581"
"""How llama.cpp marks a piece that begins a word."""


def pools(path: Path) -> bool:
    """Whether the model makes one vector of a text, and so is for embeddings, not for generating.

    False, too, for a file that is not there or is no GGUF model: its engine tells what is wrong.
    """
    try:
        return bool(remembered(path, "pools", _read_pools))
    except (OSError, ValueError, LookupError):
        return False


def sizes(path: Path) -> tuple[int, int]:
    """Numbers in a vector, and most tokens of a text. Raises ValueError or LookupError."""
    dimensions, tokens = remembered(path, "embedding_sizes", _read_sizes)
    return int(dimensions), int(tokens)


def word_pieces(path: Path) -> tuple[str, ...]:
    """A BERT's vocabulary as BERT writes it, by id; reading 30,000 takes 1 s, the first time.

    Raises ValueError for a model with a tokenizer of another kind.
    """
    return tuple(map(str, remembered(path, "word_pieces", _read_word_pieces)))


def _read_pools(path: Path) -> bool:
    fields = GGUFReader(path).fields
    return any(
        name.endswith(".pooling_type") and field.contents() != PoolingType.NONE
        for name, field in fields.items()
    )


def _read_sizes(path: Path) -> list[int]:
    fields = GGUFReader(path).fields
    architecture = fields[Keys.General.ARCHITECTURE].contents()
    names = (Keys.LLM.EMBEDDING_LENGTH, Keys.LLM.CONTEXT_LENGTH)
    return [int(fields[name.format(arch=architecture)].contents()) for name in names]


def _read_word_pieces(path: Path) -> list[str]:
    fields = GGUFReader(path).fields
    model = fields[Keys.Tokenizer.MODEL].contents()
    if model != "bert":
        raise ValueError(f"its tokenizer is {model}; for embeddings only that of BERT is known")
    texts = fields[Keys.Tokenizer.LIST].contents()
    kinds = fields[Keys.Tokenizer.TOKEN_TYPE].contents()
    return [_as_bert_writes(text, kind) for text, kind in zip(texts, kinds, strict=True)]


def _as_bert_writes(text: str, kind: int) -> str:
    if kind != TokenType.NORMAL:
        return text
    return text[1:] if text.startswith(WORD_START) else f"##{text}"
