"""When signing keys are made, sign, are published, and go: decided from their dates alone.

    made ---- lead ----> signs ---- period ----> stops ---- overlap ----> retired
      |<--------------------------- published --------------------------->|

A key is published for the lead before it signs, so that whoever caches the published keys has it by
then, and for the overlap after it stopped, so that its last token can be verified until it expires.
Who signs follows from dates and clock: all who know the keys change over at the same moment, even
while the database that the keys came from does not answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

WITHDRAWAL_LEAD = timedelta(minutes=3)
"""Of a key that replaces withdrawn ones: auth's replicas look for new keys every minute, and so do
gateways; nobody need refuse a good token meanwhile."""

CLOCK_SKEW = timedelta(minutes=5)
"""More than twice what the clocks of replicas differ by, each to either side."""


class DatedKey(Protocol):
    """What there is to know of a signing key here."""

    @property
    def kid(self) -> str: ...

    @property
    def algorithm(self) -> str: ...

    @property
    def activates_at(self) -> datetime:
        """From when on it signs, until the next one does."""

    @property
    def retires_at(self) -> datetime | None:
        """From when on nothing is believed that it signed; None until it has a successor."""


K = TypeVar("K", bound=DatedKey)


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """How long keys sign and are published, and of which algorithm new ones are."""

    algorithm: str
    period: timedelta
    lead: timedelta
    overlap: timedelta

    @classmethod
    def of(
        cls, *, algorithm: str, period: timedelta, lead: timedelta, token_life: timedelta
    ) -> "RotationPolicy":
        """The overlap follows from how long a token lives."""
        return cls(algorithm, period, lead, token_life + CLOCK_SKEW)


@dataclass(frozen=True, slots=True)
class Succession:
    """The dates that go with a new key: when it begins to sign, and when all others retire."""

    activates_at: datetime
    others_retire_at: datetime


def published(keys: Iterable[K], now: datetime) -> list[K]:
    """The keys whose tokens are believed; the one that signs first, then by when they sign."""
    current = [key for key in keys if not _is_retired(key, now)]
    return sorted(current, key=lambda key: (key.activates_at <= now, _age(key)), reverse=True)


def signing(keys: Iterable[K], now: datetime) -> K | None:
    """The one key that signs: the last that began to. None only if there is no key.

    Before any has begun it is the first that will: a replica's clock may be behind its maker's.
    """
    current = published(keys, now)
    if not current or current[0].activates_at <= now:
        return current[0] if current else None
    return min(current, key=_age)


def retired(keys: Iterable[K], now: datetime) -> list[K]:
    """The keys to delete."""
    return [key for key in keys if _is_retired(key, now)]


def due(keys: Sequence[DatedKey], now: datetime, policy: RotationPolicy) -> Succession | None:
    """The dates of the key that must be made now, or None.

    Without any, the first one signs at once: no token is older. While a key waits for its time, no
    other is made, whatever the algorithm: replicas whose settings differ would make them endlessly.
    """
    newest = newest_of(keys)
    if newest is None:
        return Succession(now, now)
    outdated = newest.algorithm != policy.algorithm
    aged = now >= newest.activates_at + policy.period - policy.lead
    waits = newest.activates_at > now
    return planned(now, policy) if (outdated or aged) and not waits else None


def newest_of(keys: Iterable[K]) -> K | None:
    """The key without successor."""
    return max((key for key in keys if key.retires_at is None), key=_age, default=None)


def planned(now: datetime, policy: RotationPolicy) -> Succession:
    """Nobody notices: all tokens live out their time."""
    activates_at = now + policy.lead
    return Succession(activates_at, activates_at + policy.overlap)


def withdrawing(now: datetime) -> Succession:
    """For keys that others may have: their tokens end when the new key begins."""
    activates_at = now + WITHDRAWAL_LEAD
    return Succession(activates_at, activates_at)


def _is_retired(key: DatedKey, now: datetime) -> bool:
    return key.retires_at is not None and key.retires_at <= now


def _age(key: DatedKey) -> tuple[datetime, str]:
    return key.activates_at, key.kid
