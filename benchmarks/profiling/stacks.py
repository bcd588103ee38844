"""py-spy's collapsed stacks, summed by library, by function, and by what of ours asked for it."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FRAME = re.compile(r"(?P<function>.*) \((?P<path>[^()]*?)(?::\d+)?\)")
OWNER_OF_PATH = (
    (re.compile(r"/site-packages/google/"), "protobuf"),
    (re.compile(r"/src/headrace/"), "protobuf"),
    (re.compile(r"/site-packages/([^/.]+)"), None),
    (re.compile(r"/src/(headrace_\w+/\w+)"), None),
    (re.compile(r"/python3\.\d+/(\w+)"), None),
    (re.compile(r"<string>"), "dataclasses"),
)
OURS = "headrace_"
STARTING = frozenset({"__main__", "app", "runtime"})
LOOP = "uvloop"
MAIN_THREAD = "_run_module_as_main"
NOT_OURS = "(none of ours: server, routing, event loop)"


@dataclass(frozen=True, slots=True)
class Frame:
    """A function on the stack, and the library or part of ours that it belongs to."""

    function: str
    owner: str
    module: str = ""

    @classmethod
    def parse(cls, text: str) -> "Frame":
        match = FRAME.fullmatch(text)
        if match is None:
            return cls(text, "interpreter")
        function, path = match["function"], match["path"]
        # uvloop is C: its loop and all C callbacks show as the Python frame that started it.
        if function == "Runner.run":
            return cls("the event loop and callbacks in C", LOOP)
        return cls(function, _owner(path), Path(path).stem)

    def __str__(self) -> str:
        return f"{self.owner} {self.module}: {self.function}"


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples by what was at work (self), and by all that was on the stack (inclusive)."""

    samples: int
    own_by_owner: Counter[str]
    inclusive_by_owner: Counter[str]
    own_by_function: Counter[str]
    asked_by: Counter[str]
    """By the innermost function of ours: its own time and that of the libraries it calls."""

    def share(self, count: int) -> float:
        return count / self.samples if self.samples else 0.0


def read_profile(path: Path) -> Profile:
    """Sum up the main thread's samples of one recording.

    Of other threads py-spy cannot tell reliably whether they wait; the main thread waits nowhere
    but in the event loop.
    """
    stacks: Counter[tuple[Frame, ...]] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = tuple(Frame.parse(text) for text in stack.split(";"))
        if frames[0].function == MAIN_THREAD:
            stacks[frames] += int(samples)
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for frames, count in stacks.items():
        own[frames[-1].owner] += count
        functions[str(frames[-1])] += count
        for owner in {frame.owner for frame in frames}:
            inclusive[owner] += count
        ours = (str(frame) for frame in reversed(frames) if _is_a_part(frame))
        asked[next(ours, NOT_OURS)] += count
    return Profile(stacks.total(), own, inclusive, functions, asked)


def _owner(path: str) -> str:
    for pattern, owner in OWNER_OF_PATH:
        if match := pattern.search(path):
            return owner or match[1]
    return "interpreter"


def _is_a_part(frame: Frame) -> bool:
    """Whether it is code of ours that a request runs, not the start of the process."""
    return frame.owner.startswith(OURS) and frame.module not in STARTING
