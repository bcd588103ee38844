"""What `auth` itself tells the audit: what it changed, and what a security team should know."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from headrace_common.errors import Reason


class EntryKind(StrEnum):
    """Whether something was changed, or only noticed."""

    CHANGE = "change"
    SECURITY = "security"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One event; `before` and `after` are JSON objects without secrets, None where nothing was."""

    event_id: str
    kind: EntryKind
    occurred_at: datetime
    operation: str
    """For example `api_key.create` or `refresh_token_reused`."""
    resource: str
    request_id: str
    source_address: str
    user_id: str = ""
    organization_id: str = ""
    credential_id: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    refusal: Reason | None = None
    """Why what was asked was refused; None for what was done."""
