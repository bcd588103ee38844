"""The questions of the gateway benchmark, and their answers: the echo of the last message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One question, asked again and again."""

    name: str
    prompt: str
    answer: str
    streamed: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    """None is the default, at which no cache answers."""
    cached: bool = False
    """Only what the cache answered counts; another answer, however right, is an error."""


def _echo(name: str, prompt: str, *, streamed: bool = False) -> Kind:
    return Kind(name, prompt, prompt, streamed)


PLAIN = _echo("plain", "The quick brown fox jumps over the lazy dog")
STREAM_WORDS = 32
STREAMED = _echo("streamed", " ".join(f"word{i}" for i in range(STREAM_WORDS)), streamed=True)
LONG_WORD = "w" * 999
LONG = Kind("long", f"{LONG_WORD} " * 220, LONG_WORD, max_tokens=1)
"""220 KB to read in words of 1,000 characters, for they are the echo's tokens; one to write."""
CACHED = Kind("cached", PLAIN.prompt, PLAIN.prompt, temperature=0.0, cached=True)
