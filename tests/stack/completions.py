"""What everybody needs who asks a running stack for completions over HTTPS."""

import json
from typing import Any

CHAT = "/v1/chat/completions"
PATIENCE_SECONDS = 30.0
"""After which a caller takes a call for hung."""
DONE = "[DONE]"


def event_of(line: str) -> Any:
    """What a stream's line tells: parsed JSON, `DONE`, or None for a line without data."""
    field, _, data = line.partition(": ")
    if field != "data":
        return None
    return data if data == DONE else json.loads(data)
