"""Compiles grammars in a process of its own, which dies of those that take too much.

It reads a line of JSON for each task and answers with one: see `Task`. Run by GrammarProcess.
"""

import json
import resource
import sys
import time
from typing import IO, TypedDict

from llguidance import LLMatcher, LLTokenizer

ADDRESS_BYTES = 512 << 20
COMPLAINT_CHARACTERS = 1000
PANIC = "panic: "


class Task(TypedDict):
    """What is wrong with a grammar is asked without a text; with one, whether it fits."""

    grammar: str
    text: str | None
    whole: bool


def complaint_of(grammar: str) -> str:
    """Why the grammar cannot be compiled, in a line; empty if it can.

    It is made ready to be followed, as an engine does: some that `validate_grammar` takes are too
    large for that.
    """
    complaint = LLMatcher(LLTokenizer("byte"), grammar, log_level=0).get_error()
    if complaint.startswith(PANIC):  # which speaks of the compiler's insides
        return "it is too large"
    return complaint.splitlines()[0][:COMPLAINT_CHARACTERS] if complaint else ""


def text_fits(grammar: str, text: str, *, whole: bool) -> bool:
    """Whether a text is the grammar's, or, if it is not `whole`, may become so.

    A grammar that grows too large for the compiler's limits while it is followed fits nothing.
    """
    matcher = LLMatcher(LLTokenizer("byte"), grammar, log_level=0)
    if not matcher.consume_tokens(list(text.encode())):
        return False
    return not whole or bool(matcher.is_accepting())


def serve(tasks: IO[str], answers: IO[str], seconds: int) -> None:
    """Work until there are no more tasks; each may take so many seconds of the processor."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    for line in tasks:
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + seconds, most))
        answers.write(json.dumps(_done(json.loads(line))) + "\n")
        answers.flush()


def _done(task: Task) -> str | bool:
    if task["text"] is None:
        return complaint_of(task["grammar"])
    return text_fits(task["grammar"], task["text"], whole=task["whole"])


def main() -> None:
    """Bound this process, say that it is ready, and serve."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    sys.stdout.write("\n")  # ready
    sys.stdout.flush()
    serve(sys.stdin, sys.stdout, int(sys.argv[1]))


if __name__ == "__main__":
    main()
