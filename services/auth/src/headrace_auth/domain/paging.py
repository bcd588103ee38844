"""Pages by keyset: a page starts after a position, so inserts and deletes never shift it."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace_auth.domain.refusals import invalid_field
from headrace_common.errors import HeadraceError

MAXIMUM_TOKEN_CHARACTERS = 200
MAXIMUM_KEY_TOKEN_CHARACTERS = 2000
"""Of a token that holds a whole key, with a model's name in it."""
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
    try:
        micros, item_id = _unpacked(token, MAXIMUM_TOKEN_CHARACTERS)
        created_at = _EPOCH + micros * _MICROSECOND
    except (ValueError, TypeError, OverflowError) as error:
        raise bad_token() from error
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id):
        raise bad_token()
    return Position(created_at, item_id)


def token_of_key(*key: str) -> str:
    """A token for the place after a record, in a list that is ordered by key."""
    packed = json.dumps(key, ensure_ascii=False)
    return base64.urlsafe_b64encode(packed.encode()).decode()


def key_of_token(token: str, parts: int) -> tuple[str, ...] | None:
    """The key's parts, so many; None for the empty token; raises INVALID_FIELD."""
    if not token:
        return None
    key = _unpacked(token, MAXIMUM_KEY_TOKEN_CHARACTERS)
    if not isinstance(key, list) or len(key) != parts:
        raise bad_token()
    if not all(isinstance(part, str) and "\0" not in part for part in key):
        raise bad_token()
    return tuple(key)


def _unpacked(token: str, maximum: int) -> Any:
    if len(token) > maximum:
        raise bad_token()
    try:
        return json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise bad_token() from error


def bad_token() -> HeadraceError:
    """For whatever is no page token."""
    return invalid_field("page_token", "not a token that this service gave")


def page_size(requested: int) -> int:
    """The size to use; 0 means the default; raises INVALID_FIELD."""
    if not 0 <= requested <= MAXIMUM_SIZE:
        raise invalid_field("page_size", f"must be from 1 to {MAXIMUM_SIZE}")
    return requested or DEFAULT_SIZE
