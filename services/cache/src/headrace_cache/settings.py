"""What the cache service can be told from its environment (`HEADRACE_CACHE_...`)."""

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from headrace_cache.domain.entries import MAXIMUM_KEYS
from headrace_common.settings import GrpcServiceSettings

LARGEST_PAYLOAD_BYTES = 15 * 1024 * 1024 // MAXIMUM_KEYS
"""So that what one look-up finds is within what callers receive, 16 MiB."""


class CacheSettings(GrpcServiceSettings):
    """Settings of one cache process."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_CACHE_")

    maximum_concurrent_calls: int = Field(default=256, ge=1)
    maximum_message_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    """Above `maximum_payload_bytes`, so that a payload that is too large is told as such."""

    redis_url: SecretStr
    """The cache's own Redis, `redis://` or `unix://`; apart from admission's, for it may evict."""
    redis_timeout_seconds: float = Field(default=0.5, gt=0)
    default_time_to_live_seconds: int = Field(default=3600, ge=1)
    maximum_time_to_live_seconds: int = Field(default=86_400, ge=1)
    maximum_payload_bytes: int = Field(default=1024 * 1024, ge=1, le=LARGEST_PAYLOAD_BYTES)

    @model_validator(mode="after")
    def _check_payload(self) -> "CacheSettings":
        if self.maximum_payload_bytes >= self.maximum_message_bytes:
            raise ValueError("maximum_payload_bytes must be below maximum_message_bytes")
        return self
