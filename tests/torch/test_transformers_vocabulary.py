"""A model's tokenizer and chat template, without the model."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.vocabulary import Vocabulary
from headrace_inference.domain.requests import Message


@pytest.mark.parametrize("content", ["A", "<|im_end|>"])
@pytest.mark.parametrize(
    "template", ["{{ raise_exception('canary ' ~ messages) }}", "{{ messages[1].content }}"]
)
def test_a_conversation_that_the_template_refuses_is_the_callers_mistake(
    model: Path, template: str, content: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    tokenizer.chat_template = template
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer))
    with pytest.raises(HeadraceError) as caught:
        vocabulary.tokens((Message("user", content),), context_tokens=64)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == "messages"
    assert caught.value.message == "messages: this model's chat template cannot take them"
