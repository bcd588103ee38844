"""How often keys were used since it was last told, in bounded memory."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The uses of one key; `last_used_at` is the latest."""

    api_key_id: str
    count: int
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class UseBatch:
    """What is told in one go; the same id means the same uses."""

    batch_id: str
    uses: tuple[KeyUse, ...]


class UseCounts:
    """Counts of at most `maximum_keys` keys; uses of further ones are only counted as missed."""

    def __init__(self, maximum_keys: int) -> None:
        self._maximum_keys = maximum_keys
        self._uses: dict[str, KeyUse] = {}
        self.missed = 0

    def add(self, api_key_id: str, moment: datetime) -> None:
        """One use more."""
        known = self._uses.get(api_key_id)
        if known is not None:
            latest = max(known.last_used_at, moment)
            self._uses[api_key_id] = KeyUse(api_key_id, known.count + 1, latest)
        elif len(self._uses) < self._maximum_keys:
            self._uses[api_key_id] = KeyUse(api_key_id, 1, moment)
        else:
            self.missed += 1

    def take(self, size: int) -> tuple[KeyUse, ...]:
        """At most `size` keys' uses, which are no longer counted here."""
        return tuple(self._uses.pop(key) for key in list(self._uses)[:size])

    def take_missed(self) -> int:
        missed, self.missed = self.missed, 0
        return missed
