"""From a list's request to where its page starts and how long it may be."""

from typing import Any

from headrace_auth.domain.paging import Position, page_size, position_of_token


def page_asked_for(request: Any) -> tuple[Position | None, int]:
    """Raises INVALID_FIELD."""
    return position_of_token(request.page_token), page_size(request.page_size)
