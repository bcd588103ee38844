"""What somebody asks a key to become."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.budgets import Allowance
from headrace_auth.domain.principal import LimitKind
from headrace_auth.domain.refusals import invalid_field

DEFAULT_OVERLAP = timedelta(hours=24)
MAXIMUM_OVERLAP = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ApiKeyUpdate:
    """Checked changes; what is not in it stays as it is."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of ApiKey: `name`, `scopes`, `allowed_models`, `allowed_networks`, `expires_at`."""
    rates: Mapping[LimitKind, int | None] = field(default_factory=dict)
    """The key's limit of each kind; None lifts it."""
    budgets: tuple[Allowance, ...] | None = None
    """What takes the place of the key's budgets for all models; None leaves them."""

    def applied(self, key: ApiKey) -> ApiKey:
        return replace(key, **self.fields)


def check_overlap(seconds: int | None) -> timedelta:
    """How long a secret works beside the one that follows it; None means the default."""
    overlap = DEFAULT_OVERLAP if seconds is None else timedelta(seconds=seconds)
    if not timedelta(0) <= overlap <= MAXIMUM_OVERLAP:
        maximum = int(MAXIMUM_OVERLAP.total_seconds())
        raise invalid_field("overlap_seconds", f"must be from 0 to {maximum} (7 days)")
    return overlap
