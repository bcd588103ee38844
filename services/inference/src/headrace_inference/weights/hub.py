"""A model file from a Hugging Face hub, or from a mirror that speaks its protocol."""

import re
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from headrace_inference.weights.source import PreparationError

PREFIX = "hf://"
NAME = re.compile(
    r"hf://(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>[\w./-]+\.gguf)(@(?P<revision>[\w.-]+))?"
)

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
DIRECTORY_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "merges.txt", "vocab.txt")


def fetch_model_directory(
    name: str, endpoint: str | None = None, cache: Path | None = None
) -> Path:
    """`name` itself if it is a directory; else the repository OWNER/NAME, in the library's cache.

    `endpoint` is another hub's URL, `cache` another directory for it. Raises PreparationError.
    """
    if Path(name).is_dir():
        return Path(name)
    if not REPOSITORY.fullmatch(name):
        raise PreparationError(
            "there is no such directory; `python -m headrace_inference.prepare --format"
            " transformers --directory DIR` makes one and prints its path"
        )
    try:
        found = snapshot_download(
            name, allow_patterns=list(DIRECTORY_FILES), endpoint=endpoint, cache_dir=cache
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PreparationError(
            f"it is no directory here and cannot be fetched ({reason}); check name and network"
        ) from error
    return Path(found)


def download_from_hub(name: str, directory: Path, endpoint: str | None = None) -> Path:
    """The file `hf://OWNER/REPOSITORY/FILE.gguf[@REVISION]`, brought into `directory`.

    `endpoint` is another hub's URL; the library's own settings (`HF_TOKEN`, `HF_ENDPOINT`) hold
    otherwise. Raises PreparationError.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise PreparationError(f"{name} is not of the form hf://OWNER/REPOSITORY/FILE.gguf")
    try:
        found = hf_hub_download(
            parts["repository"],
            parts["file"],
            revision=parts["revision"],
            local_dir=directory,
            endpoint=endpoint,
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PreparationError(
            f"{name} cannot be fetched ({reason}); check the name and the network"
        ) from error
    return Path(found)
