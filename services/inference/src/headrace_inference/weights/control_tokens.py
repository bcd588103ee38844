"""How a model's control tokens are written."""

from pathlib import Path
from typing import Any

from gguf import GGUFReader, TokenType

from headrace_inference.weights.notes import remembered

CONTROL = frozenset({TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNKNOWN})
ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")
"""Where a file names what ends an answer, which need not be of these types."""
KNOWN = frozenset(
    {
        *("</s>", "<eos>", "[EOS]", "<EOT>", "_<EOT>", "[EOT]", "[e~[", "<turn|>", "<end_of_turn>"),
        *("<end_of_utterance>", "<|end_of_text|>", "<|endoftext|>"),
        *("<|im_end|>", "<|ifm|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>"),
        *("<|call|>", "<|calls|>", "<|flush|>", "<|tool_response>", "<|plamo:eos|>"),
        *("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"),
        *("<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<PRE>", "▁<PRE>"),
        *("<|code_prefix|>", "<|prefix|>", "<|plamo:fim_prefix|>"),
        *("<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<SUF>", "▁<SUF>"),
        *("<|code_suffix|>", "<|suffix|>", "<|plamo:fim_suffix|>"),
        *("<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<MID>", "▁<MID>"),
        *("<|code_middle|>", "<|middle|>", "<|plamo:fim_middle|>"),
        *("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
        *("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
        *("<|file_sep|>", "<|plamo:file_separator|>"),
        # DeepSeek's, with a wide bar
        *(
            f"<\uff5c{name}\uff5c>"
            for name in ("end▁of▁sentence", "fim▁begin", "fim▁hole", "fim▁end")
        ),
    }
)
"""What llama.cpp takes for control tokens by their text, whatever the file says of their type.

A test asks the library that is installed whether these are all.
"""


def control_texts(path: Path) -> tuple[str, ...]:
    """Their texts, longest first; reading a vocabulary of 50,000 takes 3 s, the first time.

    Without those that are only space, or one character: they control nothing, and are in any text.
    Raises ValueError or LookupError for a file that is no GGUF model.
    """
    return tuple(map(str, remembered(path, "texts_of_control", _read)))


def _read(path: Path) -> list[str]:
    fields = GGUFReader(path).fields
    texts = fields.get("tokenizer.ggml.tokens")
    if texts is None:  # a file without a vocabulary, which no engine will load
        return []
    vocabulary: list[str] = texts.contents()
    found = KNOWN.intersection(vocabulary)
    kinds = fields.get("tokenizer.ggml.token_type")
    if kinds is not None:
        typed = zip(vocabulary, kinds.contents(), strict=True)
        found |= {text for text, kind in typed if kind in CONTROL}
    found |= {vocabulary[token] for token in _ends(fields, len(vocabulary))}
    return sorted(filter(_is_mark, found), key=len, reverse=True)


def _ends(fields: dict[str, Any], size: int) -> list[int]:
    named = (fields.get(f"tokenizer.ggml.{name}") for name in ENDS)
    tokens = (int(field.contents()) for field in named if field is not None)
    return [token for token in tokens if token < size]


def _is_mark(text: str) -> bool:
    return len(text) > 1 and bool(text.strip(" \t\r\n▁"))
