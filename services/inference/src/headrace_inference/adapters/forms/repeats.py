"""How often a JSON schema may have something repeated."""

from typing import Any

from headrace_common.errors import HeadraceError, Reason

MAXIMUM_REPEATS = 100_000
REPEATS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def check_repeats(schema: Any, param: str, most: int = MAXIMUM_REPEATS) -> None:
    """Refuse repeats that multiply, along any path, to more than `most`, with INVALID_FIELD.

    The compilers accept them, but running them takes time and memory in proportion.
    """
    _check(schema, 1, param, most)


def _check(node: Any, times: int, param: str, most: int) -> None:
    if isinstance(node, list):
        for child in node:
            _check(child, times, param, most)
    if not isinstance(node, dict):
        return
    bounds = [node[name] for name in REPEATS if isinstance(node.get(name), int | float)]
    times *= max(1, *bounds) if bounds else 1
    if times > most:
        raise HeadraceError(
            Reason.INVALID_FIELD,
            f"{param} repeats something more than {most} times ({', '.join(REPEATS)})",
            param=param,
        )
    for child in node.values():
        _check(child, times, param, most)
