"""Which entries are accepted, and under which name each one is kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from headrace_common.errors import HeadraceError, Reason

DIGEST_BYTES = 32
MAXIMUM_KEYS = 8
"""Of one look-up."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """One request with everything that changes its answer; see `CacheKey` in the proto."""

    organization_id: str
    model: str
    model_version: str
    guard_policy_version: str
    request_digest: bytes


@dataclass(frozen=True, slots=True)
class EntryRules:
    """Bounds on entries; times in seconds."""

    default_time_to_live: int
    maximum_time_to_live: int
    maximum_payload_bytes: int

    def check_payload(self, payload: bytes) -> None:
        """Refuse, by INVALID_FIELD, an empty payload or one that is too large."""
        if not payload:
            raise _invalid("answer.payload", "must not be empty")
        if len(payload) > self.maximum_payload_bytes:
            raise _invalid("answer.payload", f"must be at most {self.maximum_payload_bytes} bytes")

    def time_to_live(self, wanted: float | None) -> int:
        """Seconds to keep an entry: the default when nothing is wanted, never above the maximum."""
        if wanted is None:
            return self.default_time_to_live
        if wanted < 1:
            raise _invalid("time_to_live", "must be at least 1 second")
        return min(int(wanted), self.maximum_time_to_live)


def check_key(key: CacheKey) -> None:
    """Refuse, by INVALID_FIELD, a key that could be mistaken for another request's."""
    for name in ("organization_id", "model", "model_version", "guard_policy_version"):
        if not getattr(key, name):
            raise _invalid(f"key.{name}", "is required")
    if len(key.request_digest) != DIGEST_BYTES:
        raise _invalid("key.request_digest", f"must be {DIGEST_BYTES} bytes")


def check_keys(keys: Sequence[CacheKey]) -> None:
    """Refuse, by INVALID_FIELD, a look-up of none or too many, or with a key that is none."""
    if not 1 <= len(keys) <= MAXIMUM_KEYS:
        raise _invalid("keys", f"must be 1 to {MAXIMUM_KEYS}")
    for key in keys:
        check_key(key)


def storage_name(key: CacheKey) -> str:
    """The name of an entry in the store, for example `cache:{org_1}:9f86d0...`.

    Every part is preceded by its length before hashing, so that no two different keys meet, and the
    organisation stands in the open as Redis Cluster's hash tag and for erasing a tenant.
    """
    digest = hashlib.sha256()
    for part in (
        key.organization_id.encode(),
        key.model.encode(),
        key.model_version.encode(),
        key.guard_policy_version.encode(),
        key.request_digest,
    ):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return f"cache:{{{key.organization_id}}}:{digest.hexdigest()}"


def _invalid(param: str, rule: str) -> HeadraceError:
    return HeadraceError(Reason.INVALID_FIELD, f"{param} {rule}", param=param)
