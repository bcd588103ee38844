"""BERT's tokenizer, by the library that defines it.

llama.cpp has one of its own that takes Korean, Hindi and very long words apart in another way,
after which the vectors are others than the model's (measured: up to 0.18 in a number).
"""

from collections.abc import Sequence

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

BEGIN, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
LONGEST_WORD = 100
"""In characters; longer ones are unknown to BERT."""


class WordPieces:
    """Token ids of texts under a vocabulary; the name of a control token within a text is text."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._tokenizer = Tokenizer(
            WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
        )
        self._tokenizer.normalizer = normalizers.BertNormalizer()
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._tokenizer.post_processor = TemplateProcessing(
            single=f"{BEGIN} $A {END}", special_tokens=[(BEGIN, ids[BEGIN]), (END, ids[END])]
        )

    def tokens(self, text: str) -> tuple[int, ...]:
        """With the marks of its begin and its end; safe in any thread."""
        return tuple(self._tokenizer.encode(text).ids)
