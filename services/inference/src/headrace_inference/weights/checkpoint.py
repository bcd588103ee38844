"""Rewrites a GGUF file as a Hugging Face directory: safetensors at full precision."""

from importlib.util import find_spec
from pathlib import Path

from headrace_inference.weights.source import PreparationError, require_disk_room

BYTES_PER_STORED_BYTE = 4
"""At most: what GGUF stores in a byte (Q8_0) takes four here."""


def checkpoint(source: Path, target: Path) -> None:
    """Write weights, configuration, tokenizer and chat template of `source` into `target`.

    Takes half a minute for 135 million weights. Raises PreparationError.
    """
    if find_spec("torch") is None:
        raise PreparationError("torch is not installed: install headrace-inference[transformers]")
    require_disk_room(target.parent, BYTES_PER_STORED_BYTE * source.stat().st_size)
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    try:
        origin = {"gguf_file": source.name, "local_files_only": True}
        model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **origin)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **origin)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PreparationError(f"transformers cannot read {source}: {reason}") from error
    # the library takes what it dequantised for quantised still, and would not write that
    del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
