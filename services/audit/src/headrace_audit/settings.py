"""What the audit service can be told from its environment (`HEADRACE_AUDIT_...`)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from headrace_common.settings import DatabaseSettings, GrpcServiceSettings


class AuditMigrationSettings(DatabaseSettings):
    """What of the settings of audit its migration needs."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_AUDIT_")


class AuditSettings(GrpcServiceSettings, DatabaseSettings):
    """Settings of one audit process."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_AUDIT_")

    maximum_concurrent_calls: int = Field(default=64, ge=1)
    """Each gateway sends one batch at a time; one that is refused comes again."""
    database_timeout_seconds: float = Field(default=4.0, gt=0)
    """For one batch; below the callers' deadline of 5 s, so that they learn what happened."""
