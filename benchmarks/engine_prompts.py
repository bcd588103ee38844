"""Prompts of about a wanted number of tokens, no two alike, the same in each run."""

import random

WORDS = (
    *("river", "water", "stone", "house", "mill", "wheel", "field", "winter", "summer", "morning"),
    *("people", "children", "bread", "market", "street", "bridge", "garden", "window", "letter"),
    *("small", "old", "quiet", "green", "long", "early", "warm", "heavy", "strange", "simple"),
    *("walks", "finds", "brings", "makes", "hears", "leaves", "opens", "keeps", "builds", "tells"),
    *("the", "a", "and", "of", "in", "near", "under", "with", "before", "after"),
)
"""Common English words, each about one token of common vocabularies."""


def prompt(tokens: int, number: int, asked: str = "") -> str:
    """A text of about so many tokens, to be continued; another one for each that is `asked`, and
    under which load: servers remember prompts, and two contestants may have one behind them."""
    draw = random.Random(f"{asked} {tokens} {number}")  # noqa: S311 - the same in each run
    words = (draw.choice(WORDS) for _ in range(tokens))
    # Not even their first words are alike: servers keep the beginning that two prompts share.
    return f"{' '.join(words).capitalize()}. One day"
