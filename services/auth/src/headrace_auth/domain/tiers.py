"""The limits that come with an organisation's tier, unless others are set for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from headrace_auth.domain.fields import MAXIMUM_RATE
from headrace_auth.domain.principal import Limit, LimitKind, Member, Subject, Tier

E = TypeVar("E", bound=StrEnum)

DEFAULT_TIER_LIMITS = MappingProxyType(
    {
        "free": {
            "requests_per_minute": 60,
            "tokens_per_minute": 100_000,
            "concurrent_requests": 4,
        }
    }
)
"""Enough for a person who tries things out. Standard and premium have none: who was there before
there were tiers is standard, and goes on as it did."""


@dataclass(frozen=True, slots=True)
class TierLimits:
    """By tier and kind, what an organisation as a whole may use."""

    amounts: Mapping[Tier, Mapping[LimitKind, int]]

    def beside(self, member: Member) -> tuple[Limit, ...]:
        """Those of the member's tier, of kinds that nobody has limited for the whole organisation.

        A limit for one model leaves the others unlimited, so it takes no preset's place.
        """
        amounts = self.amounts.get(member.tier)
        if not amounts:
            return ()
        limited = {
            limit.kind
            for limit in member.limits
            if limit.subject is Subject.ORGANIZATION and not limit.model
        }
        return tuple(
            Limit(kind, Subject.ORGANIZATION, member.organization_id, amount)
            for kind, amount in amounts.items()
            if kind not in limited
        )


def check_tier_limits(given: Mapping[str, Any]) -> TierLimits:
    """What a JSON object says, tier to kind to amount; raises ValueError that names the rule.

    Nothing that was given is quoted but the names that are known.
    """
    return TierLimits(
        {_known(Tier, name, "a tier"): _amounts(name, kinds) for name, kinds in given.items()}
    )


def _amounts(tier: str, kinds: Any) -> Mapping[LimitKind, int]:
    if not isinstance(kinds, Mapping):
        raise ValueError(f"{tier}: must be a JSON object of limits")  # noqa: TRY004 - a setting's fault
    return {
        _known(LimitKind, name, f"{tier}: a limit"): _amount(f"{tier}.{name}", amount)
        for name, amount in kinds.items()
    }


def _amount(name: str, amount: Any) -> int:
    # JSON's true is an int to Python.
    if type(amount) is not int or not 1 <= amount <= MAXIMUM_RATE:
        raise ValueError(f"{name}: must be a whole number from 1 to {MAXIMUM_RATE}")
    return amount


def _known(kind: type[E], name: str, what: str) -> E:
    try:
        return kind(name)
    except ValueError:
        raise ValueError(f"{what} must be one of {', '.join(kind)}") from None
