"""JSON Schemas as text, read the same way by all engines."""

import json
from typing import Any

from headrace_common.errors import HeadraceError, Reason


def parse_schema(text: str, param: str) -> Any:
    """The value; raises INVALID_FIELD for what is no JSON, or cannot be sent on as JSON in UTF-8.

    Python's parser takes more than that: NaN, numbers that are infinite as a double, and halves of
    characters.
    """
    try:
        parsed = json.loads(text)
        json.dumps(parsed, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        message = f"{param} is not valid JSON"
        raise HeadraceError(Reason.INVALID_FIELD, message, param=param) from error
    return parsed
