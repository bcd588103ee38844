"""Pages by keyset: a page starts after a position, so inserts and deletes never shift it."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headrace_auth.domain.refusals import invalid_field

MAXIMUM_TOKEN_CHARACTERS = 200
DEFAULT_SIZE, MAXIMUM_SIZE = 50, 100
_ID = re.compile("[0-9A-Za-z-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a list that is ordered by creation time, then id."""

    created_at: datetime
    item_id: str

    def to_token(self) -> str:
        """Opaque to callers; carries no right, since every page is filtered by the principal."""
        micros = (self.created_at - _EPOCH) // _MICROSECOND
        return base64.urlsafe_b64encode(json.dumps([micros, self.item_id]).encode()).decode()


def position_of_token(token: str) -> Position | None:
    """The position in a page token, None for the empty one; raises INVALID_FIELD."""
    if not token:
        return None
    if len(token) > MAXIMUM_TOKEN_CHARACTERS:
        raise invalid_field("page_token", "not a token that this service gave")
    try:
        micros, item_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        created_at = _EPOCH + micros * _MICROSECOND
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise invalid_field("page_token", "not a token that this service gave") from error
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id):
        raise invalid_field("page_token", "not a token that this service gave")
    return Position(created_at, item_id)


def page_size(requested: int) -> int:
    """The size to use; 0 means the default; raises INVALID_FIELD."""
    if not 0 <= requested <= MAXIMUM_SIZE:
        raise invalid_field("page_size", f"must be from 1 to {MAXIMUM_SIZE}")
    return requested or DEFAULT_SIZE
