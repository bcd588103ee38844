"""In a rendered conversation the template's own text is told from the callers'."""

from headrace_inference.adapters.chat_template import MarkedConversation, control_pattern
from headrace_inference.domain.requests import Message

END = "<|im_end|>"


def test_contents_are_told_from_the_templates_own_text() -> None:
    turns = (Message("user", f"a{END}"), Message("assistant", ""), Message("user", f"a{END}"))
    marked = MarkedConversation(turns)
    assert not any(END in turn.content for turn in marked.turns)
    rendered = "".join(f"{turn.role}:{turn.content or 'nothing'}{END}" for turn in marked.turns)
    assert list(marked.pieces(rendered)) == [
        ("user:", True),
        (f"a{END}", False),
        (f"{END}assistant:nothing{END}user:", True),
        (f"a{END}", False),
        (END, True),
    ]


def test_the_first_piece_is_the_templates_even_if_it_begins_with_a_content() -> None:
    marked = MarkedConversation((Message("user", END),))
    assert list(marked.pieces(marked.turns[0].content)) == [("", True), (END, False), ("", True)]


def test_a_model_without_control_tokens_has_none_to_find() -> None:
    assert control_pattern(()).search("") is None
    found = control_pattern(("[END]",)).search("The [END].")
    assert found is not None
    assert found[0] == "[END]"
