"""No text controls a model or kills it, however its file declares tokens: llama.cpp is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import pytest_asyncio
from gguf import TokenType

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.http import LlamaCppHttp
from headrace_inference.adapters.llamacpp.library import server_parameters, start_server
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.adapters.llamacpp.prompt import MOST_IN_A_ROW
from headrace_inference.domain.requests import Message, Tool
from headrace_inference.weights.control_tokens import KNOWN, control_texts

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTH = 32
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
END = "<the end>"
MARKS = {
    END: TokenType.NORMAL,
    "<|im_start|>": TokenType.CONTROL,
    "<|im_end|>": TokenType.NORMAL,
    "<|channel|>": TokenType.CONTROL,
    "<think>": TokenType.USER_DEFINED,
    "<thin": TokenType.USER_DEFINED,
    "<unk>": TokenType.UNKNOWN,
    "</s>": TokenType.USER_DEFINED,
}
TEXT = {"\n\n": TokenType.USER_DEFINED, "<b>": TokenType.NORMAL, "ab": TokenType.NORMAL}


def write_model(path: Path, tokens: dict[str, TokenType]) -> Path:
    """A model of one layer and random numbers that reads bytes, and these tokens."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_block_count(1)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-llm")  # which llama.cpp reads with std::regex
    vocabulary = [*_letters(), *tokens]
    writer.add_token_list(vocabulary)
    writer.add_token_types([TokenType.NORMAL] * 256 + list(tokens.values()))
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(vocabulary.index(END))
    writer.add_chat_template(TEMPLATE)
    draw = np.random.default_rng(1)
    for name in ("token_embd", "output"):
        writer.add_tensor(f"{name}.weight", _numbers(draw, len(vocabulary)))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", _numbers(draw, WIDTH))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _letters() -> Iterator[str]:
    """GPT-2's letters for the 256 bytes, in any order."""
    visible = [byte for byte in range(256) if 0x21 <= byte <= 0x7E or byte >= 0xA1]
    visible.remove(0xAD)
    yield from map(chr, visible)
    yield from map(chr, range(0x100, 0x200 - len(visible)))


def _numbers(draw: np.random.Generator, rows: int) -> Any:
    return draw.normal(scale=0.1, size=(rows, WIDTH)).astype(np.float32)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LlamaCppEngine]:
    path = write_model(tmp_path_factory.mktemp("model") / "tiny.gguf", MARKS | TEXT)
    engine = LlamaCppEngine(LlamaCppOptions(path, 2, 2048, threads=1), SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


def numbers_of(marks: dict[str, TokenType]) -> dict[str, int]:
    return {text: 256 + number for number, text in enumerate(marks)}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("around", ["{}", "a{}b", "{0}{0}", "<{}>", "<th{}ink>"])
async def test_what_controls_a_model_is_read_as_text(
    engine: LlamaCppEngine, mark: str, around: str
) -> None:
    numbers, text = numbers_of(MARKS), around.format(mark)
    assert not {*numbers.values()} & {*await engine.tokenize(text)}
    turns = await engine.tokenize((Message("user", text), Message("user", "b")))
    written = [token for token in turns if token in numbers.values()]
    assert written == [numbers["<|im_start|>"], numbers["<|im_end|>"]] * 2


async def test_texts_that_control_nothing_are_read_as_they_are(engine: LlamaCppEngine) -> None:
    numbers = numbers_of(MARKS | TEXT)
    assert await engine.tokenize("ab\n\n") == (numbers["ab"], numbers["\n\n"])


async def test_a_file_tells_what_controls_its_model(tmp_path: Path) -> None:
    texts = control_texts(write_model(tmp_path / "tiny.gguf", MARKS | TEXT))
    assert set(texts) == set(MARKS)
    assert list(texts) == sorted(texts, key=len, reverse=True)


async def test_all_that_llama_cpp_knows_by_its_text_is_known_here(tmp_path: Path) -> None:
    suspects = sorted({END, *KNOWN, *_brackets_in_the_library()})
    path = write_model(tmp_path / "tiny.gguf", dict.fromkeys(suspects, TokenType.NORMAL))
    socket = str(tmp_path / "llama.sock")
    parameters = server_parameters(path, socket_path=socket, slots=1, threads=1, spins=0)
    parameters.n_threads_http = 4
    server = await asyncio.to_thread(start_server, parameters)
    http = LlamaCppHttp(socket)
    read = await http.tokens(suspects, add_special=False, parse_special=True)
    await http.close()
    del server
    controlling = {suspects[token - 256] for token in read if token >= 256}
    assert controlling >= {"<|im_end|>", "<|eot_id|>", "<|message|>", "[EOS]"}
    assert controlling <= KNOWN


def _brackets_in_the_library() -> Iterator[str]:
    """Texts in xllamacpp's program that look like control tokens, and their ends, for linkers
    store a text that ends another one as a part of it."""
    spec = find_spec("xllamacpp")
    assert spec is not None
    assert spec.origin is not None
    [library] = Path(spec.origin).parent.glob("xllamacpp*.so")
    for each in library.read_bytes().split(b"\0"):
        text = each.decode(errors="ignore") if 2 < len(each) < 40 else ""
        if text.isprintable() and text[-1:] in (">", "]", "[") and " " not in text:
            yield from (text[at:] for at in range(len(text) - 2) if text[at] in "<[_▁")


async def test_marks_that_overlap_are_all_cut(engine: LlamaCppEngine) -> None:
    numbers = numbers_of(MARKS)
    assert not {*numbers.values()} & {*await engine.tokenize("<think</s>><thin<thin")}


@pytest.mark.parametrize("letter", ["a", "1", "!", "é", "中", " ", "\r", "\u3000"])
async def test_words_without_an_end_are_read(engine: LlamaCppEngine, letter: str) -> None:
    """Without being cut they overflow llama.cpp's stack, which ends the whole process."""
    size, each = 100_000, len(letter.encode())
    assert len(await engine.tokenize(letter * size)) == size * each
    turns = await engine.tokenize((Message("user", letter * size + "<|im_end|>"),))
    assert len(turns) == 1 + size * each + len("<|im_end|>") + 1


async def test_words_without_an_end_are_refused_where_they_cannot_be_cut(
    engine: LlamaCppEngine,
) -> None:
    tool = Tool("f", "x" * (MOST_IN_A_ROW + 1))
    with pytest.raises(HeadraceError, match="in a row") as caught:
        await engine.tokenize((Message("user", "a"),), (tool,))
    assert (caught.value.reason, caught.value.param) == (
        Reason.INVALID_FIELD,
        "tools[0].description",
    )
