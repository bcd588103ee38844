"""What a check of given values says, for tests of what passes as well as of what does not."""

from collections.abc import Callable
from typing import ParamSpec

from headrace_common.errors import HeadraceError

P = ParamSpec("P")


def complaint(check: Callable[P, object], *values: P.args, **options: P.kwargs) -> str:
    """The message with which the check refuses these values; empty if they pass."""
    try:
        check(*values, **options)
    except HeadraceError as error:
        return error.message
    return ""
