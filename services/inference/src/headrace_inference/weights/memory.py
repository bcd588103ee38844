"""Whether a model fits, asked before it is loaded: whoever runs out of memory is killed unheard."""

from contextlib import suppress
from pathlib import Path

from gguf import GGUFReader

from headrace_inference.weights.notes import remembered

HALF_PRECISION_BYTES = 2
KEY_AND_VALUE = 2
SPARE_BYTES = 256 * 1024 * 1024
"""For the process itself and the engine's working space."""
MEGABYTE = 1_000_000


class ModelDoesNotFitError(ValueError):
    """Says what is missing, and what to do."""


def check_fits(path: Path, *, slots: int, context_tokens: int, free: int) -> None:
    """Raise ModelDoesNotFitError unless weights and `slots` contexts fit into `free` bytes.

    Raises ValueError or LookupError for a file that is no GGUF model.
    """
    require_room(
        path.stat().st_size,
        slots=slots,
        context_tokens=context_tokens,
        bytes_per_token=bytes_per_token(path),
        free=free,
    )


def require_room(
    weights: int, *, slots: int, context_tokens: int, bytes_per_token: int, free: int
) -> None:
    """Raise ModelDoesNotFitError unless `weights` bytes and the contexts fit into `free` bytes."""
    contexts = slots * context_tokens * bytes_per_token
    needed = weights + contexts + SPARE_BYTES
    if needed > free:
        raise ModelDoesNotFitError(
            f"it needs {needed // MEGABYTE} MB and {free // MEGABYTE} MB are free;"
            f" {weights // MEGABYTE} are for weights,"
            f" {contexts // MEGABYTE} for {slots} slots of {context_tokens} tokens:"
            " lower SLOTS or CONTEXT_TOKENS, or give it more memory"
        )


def free_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """What this process may still take, of the machine's memory or the container's (cgroup v2)."""
    free = _meminfo_bytes(meminfo)
    with suppress(OSError, ValueError):  # no cgroup, or one without a bound ("max")
        bound = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        free = min(free, bound - used + _reclaimable_bytes(cgroup / "memory.stat"))
    return free


def bytes_per_token(path: Path) -> int:
    """Of keys and values of all layers, at half precision; reading takes 2 s, the first time.

    0 for a model that tells its shape in another way: it is tried, rather than refused unread.
    """
    return int(remembered(path, "kv_bytes_per_token", _read))


def _read(path: Path) -> int:
    fields = GGUFReader(path).fields
    if any(n.endswith(".causal") and f.contents() is False for n, f in fields.items()):
        return 0  # it reads a text at once and keeps nothing
    told = {
        name.partition(".")[2]: field.contents()
        for name, field in fields.items()
        if name.endswith((".block_count", ".head_count", ".head_count_kv", ".embedding_length"))
    }
    try:
        heads = told["attention.head_count"]
        width = told.get("attention.head_count_kv", heads) * told["embedding_length"] // heads
        return int(KEY_AND_VALUE * HALF_PRECISION_BYTES * told["block_count"] * width)
    except (KeyError, TypeError):  # heads may be a list, one number for each layer
        return 0


def _meminfo_bytes(meminfo: Path) -> int:
    for line in meminfo.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise LookupError(f"{meminfo} does not tell MemAvailable")


def _reclaimable_bytes(stat: Path) -> int:
    """The page cache that would make room."""
    lines = (line.split() for line in stat.read_text(encoding="ascii").splitlines())
    return next((int(value) for name, value in lines if name == "inactive_file"), 0)
