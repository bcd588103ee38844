"""What the cache service can be told from its environment (`HEADRACE_CACHE_...`)."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from headrace_common.settings import GrpcServiceSettings


class CacheSettings(GrpcServiceSettings):
    """Settings of one cache process."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_CACHE_")

    redis_url: SecretStr
    """The cache's own Redis, `redis://` or `unix://`; apart from admission's, for it may evict."""
    redis_timeout_seconds: float = Field(default=0.5, gt=0)
    default_time_to_live_seconds: int = Field(default=3600, ge=1)
    maximum_time_to_live_seconds: int = Field(default=86_400, ge=1)
    maximum_payload_bytes: int = Field(default=1024 * 1024, ge=1)
