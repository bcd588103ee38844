"""Adding up what gateways tell of the use of keys."""

from collections.abc import Iterable
from dataclasses import replace

from headrace_auth.domain.api_keys import ApiKeyUse, is_api_key_id
from headrace_auth.domain.fields import is_uuid
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.ports import KeyUses
from headrace_common.clock import Clock

MAXIMUM_USES = 2000
MAXIMUM_COUNT = 10**12


class UseCounter:
    """Checks a batch and adds it; the same batch counts once."""

    def __init__(self, key_uses: KeyUses, clock: Clock) -> None:
        self._key_uses = key_uses
        self._clock = clock

    async def add(self, batch_id: str, uses: Iterable[ApiKeyUse]) -> None:
        """Raises INVALID_FIELD or DEPENDENCY_UNAVAILABLE; moments to come count as now."""
        if not is_uuid(batch_id):
            raise invalid_field("batch_id", "must be a UUID in lower case")
        now = self._clock.now()
        checked = [
            replace(use, last_used_at=min(use.last_used_at, now)) for use in uses if _check(use)
        ]
        distinct = {use.api_key_id for use in checked}
        if not 1 <= len(checked) <= MAXIMUM_USES or len(distinct) != len(checked):
            raise invalid_field("uses", f"must have from 1 to {MAXIMUM_USES} entries, one per key")
        await self._key_uses.add(batch_id, checked)


def _check(use: ApiKeyUse) -> bool:
    if not is_api_key_id(use.api_key_id):
        raise invalid_field("uses.api_key_id", "must be the id of a key")
    if not 1 <= use.use_count <= MAXIMUM_COUNT:
        raise invalid_field("uses.count", f"must be from 1 to {MAXIMUM_COUNT}")
    return True
