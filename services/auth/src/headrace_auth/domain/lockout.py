"""Failed logins: how long the next attempt waits, per account and per address.

The first failures cost nothing; each further one doubles the wait, up to a bound, so that nobody is
ever shut out for long by a stranger. Callers refuse an attempt while `wait_seconds` is positive,
without looking at the password and without counting it for the subject that waits.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from headrace_auth.domain.records import Kind
from headrace_common.net import source_of


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    """How failures of one kind of subject count; raises ValueError for a policy without sense."""

    free_failures: int
    first_wait_seconds: float = 1.0
    maximum_wait_seconds: float = 900.0
    forget_seconds: float = 3600.0
    """After so long without a failure the count begins anew."""

    def __post_init__(self) -> None:
        if self.free_failures < 0:
            raise ValueError("free_failures must not be negative")
        if not 0 < self.first_wait_seconds <= self.maximum_wait_seconds < self.forget_seconds:
            raise ValueError("first, maximum_wait and forget_seconds must be positive and grow")


# With these, an account takes at most 18 guesses in an hour; OWASP ASVS 2.2.1 allows 100. Many
# people share an address behind NAT, hence its larger number; whoever has one good account must not
# wash an address clean with it: a success forgets the account's failures alone.
ACCOUNT_POLICY = LockoutPolicy(free_failures=5)
ADDRESS_POLICY = LockoutPolicy(free_failures=50)

# What anybody may ask for without logging in counts in the same way, though it is no failure: what
# is sent to one mailbox, and what is asked for from one address.
MAILBOX_POLICY = LockoutPolicy(
    free_failures=3,
    first_wait_seconds=60.0,
    maximum_wait_seconds=3600.0,
    forget_seconds=86_400.0,
)
REQUEST_POLICY = LockoutPolicy(free_failures=30)

# Every login by a browser begins with a request that is kept for ten minutes. A whole company may
# log in from behind one address: after the first 300 it still gets one every other second, so that
# an address never has more than about 600 kept.
BROWSER_POLICY = LockoutPolicy(free_failures=300, maximum_wait_seconds=2.0, forget_seconds=600.0)
LONGEST_MEMORY = timedelta(
    seconds=max(
        policy.forget_seconds
        for policy in (
            ACCOUNT_POLICY,
            ADDRESS_POLICY,
            MAILBOX_POLICY,
            REQUEST_POLICY,
            BROWSER_POLICY,
        )
    )
)
"""What is older counts for nothing."""


@dataclass(frozen=True, slots=True)
class LoginFailures:
    """What is remembered of a subject, as a record; no state at all means no failure."""

    KIND: ClassVar = Kind("login_failures", ("subject",))

    subject: str
    failures: int
    last_failed_at: datetime
    locked_until: datetime
    """The end of the wait; `last_failed_at` while failures cost nothing."""


def after_failure(
    subject: str, state: LoginFailures | None, now: datetime, policy: LockoutPolicy
) -> LoginFailures:
    """What to remember after one more failure; `state` is what was remembered of `subject`."""
    known = state if state and not is_forgotten(state, now, policy) else None
    failures = known.failures + 1 if known else 1
    # Replicas' clocks differ a little: time never runs backwards for a subject.
    failed_at = max(now, known.last_failed_at) if known else now
    locked_until = failed_at + timedelta(seconds=_wait_after(failures, policy))
    return LoginFailures(subject, failures, failed_at, locked_until)


def wait_seconds(state: LoginFailures | None, now: datetime) -> float:
    """How long the next attempt has to wait; 0 when it may be made now."""
    return max(0.0, (state.locked_until - now).total_seconds()) if state else 0.0


def is_forgotten(state: LoginFailures, now: datetime, policy: LockoutPolicy) -> bool:
    """Whether `state` no longer counts and may be deleted."""
    return (now - state.last_failed_at).total_seconds() >= policy.forget_seconds


def account_subject(normalized_email: str) -> str:
    """The name of an account, whether or not it exists: SHA-256 in hexadecimal."""
    return _digest("account", normalized_email)


def reauthentication_subject(normalized_email: str) -> str:
    """The name of an account for those who have logged in to it: strangers do not lock them."""
    return _digest("reauthentication", normalized_email)


def mailbox_subject(normalized_email: str) -> str:
    """The name of a mailbox that strangers can have mail sent to."""
    return _digest("mailbox", normalized_email)


def address_subject(address: str, doing: str = "address") -> str:
    """The name of an IPv4 address or of an IPv6 address's /64; raises ValueError for other text.

    What an address is counted for has names of its own for each `doing`.

    A digest keeps addresses out of sight, not out of reach: there are few enough IPv4 addresses to
    try them all.
    """
    return _digest(doing, source_of(address))


def _wait_after(failures: int, policy: LockoutPolicy) -> float:
    excess = failures - policy.free_failures
    if excess <= 0:
        return 0.0
    # 2**64 seconds exceed any bound; a larger exponent would only overflow.
    return min(policy.first_wait_seconds * 2.0 ** min(excess - 1, 64), policy.maximum_wait_seconds)


def _digest(kind: str, name: str) -> str:
    return hashlib.sha256(f"headrace login failures\0{kind}\0{name}".encode()).hexdigest()
