"""How much a tool's schema may leave open where the model is free to call.

There llama.cpp itself makes a grammar of the tools, not llguidance, and follows at each token every
way in which that may go on, in the one thread that decodes for all: `((a?){1,15}){1,15}` held it up
for a minute, 300 properties that may be left out for half of one.
"""

import re
from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.repeats import check_repeats
from headrace_inference.adapters.forms.schema_text import parse_schema
from headrace_inference.domain.requests import Tool

MOST_WAYS = 64
"""Of a schema: properties that may be left out, and ways through its patterns. With so many a call
took 4 s, with none 1 s (SmolLM2-135M, one thread)."""
MOST_REPEATS = 1_000
"""Of 2,001 in a pattern, and 3,000 items, llama.cpp fails the answer once it has its slot."""
REPEATS = re.compile(r"\{(\d{0,9}),?(\d{0,9})\}")
GROUP_REPEATS = re.compile(r"\)" + REPEATS.pattern)
OPTIONAL = re.compile(r"[?*]|\{0?,")


def check_free_tools(tools: Iterable[Tool]) -> None:
    """Raise INVALID_FIELD for a tool with too much left open, or with a schema that is no JSON."""
    for index, tool in enumerate(tools):
        param = f"tools[{index}].parameters"
        schema = parse_schema(tool.parameters_schema or "{}", param)
        check_repeats(schema, param, MOST_REPEATS)
        if sum(_ways(schema)) > MOST_WAYS:
            message = (
                f"{param} leaves too much open: at most {MOST_WAYS} optional properties and"
                " repetitions in patterns, unless `tool_choice` demands a call"
            )
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param)


def _ways(node: Any) -> Iterator[int]:
    left = [node]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            left += each.values()
            yield _optional_properties(each)
            if isinstance(each.get("pattern"), str):
                yield _ways_through(each["pattern"])


def _optional_properties(schema: dict[str, Any]) -> int:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return 0
    needed = [name for name in required if name in properties] if isinstance(required, list) else []
    return len(properties) - len(needed)


def _ways_through(pattern: str) -> int:
    """Repetitions of groups multiply what is optional, for they may be in one another."""
    if any(times > MOST_REPEATS for times in _times(REPEATS, pattern)):
        return MOST_WAYS + 1
    return prod(_times(GROUP_REPEATS, pattern)) * max(1, len(OPTIONAL.findall(pattern)))


def _times(repeats: re.Pattern[str], pattern: str) -> Iterator[int]:
    for bounds in repeats.findall(pattern):
        yield max(map(int, filter(None, bounds)), default=1)
