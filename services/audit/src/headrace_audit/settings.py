"""What the audit service can be told from its environment (`HEADRACE_AUDIT_...`)."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from headrace_common.settings import GrpcServiceSettings


class AuditSettings(GrpcServiceSettings):
    """Settings of one audit process."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_AUDIT_")

    maximum_concurrent_calls: int = Field(default=64, ge=1)
    """Each gateway sends one batch at a time; one that is refused comes again."""

    database_url: SecretStr
    """SQLAlchemy URL, `postgresql+asyncpg://...`."""
    database_timeout_seconds: float = Field(default=4.0, gt=0)
    """For one batch; below the callers' deadline of 5 s, so that they learn what happened."""
    database_wait_seconds: float = Field(default=60.0, gt=0)
    """How long the start waits for a database that does not answer yet."""
    pool_size: int = Field(default=10, ge=1)
    """Batches that are stored at the same time; others wait, `database_timeout_seconds` at most."""
