"""What every service can be told from its environment."""

import os
import re
import socket
from difflib import get_close_matches
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

ADDRESS = re.compile(r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")
Address = Annotated[str, StringConstraints(pattern=ADDRESS.pattern)]
"""`host:port`; port 0 lets the system choose."""

PLACEHOLDERS = ("changeme", "change-me", "placeholder", "example", "secret", "password")
"""Values that people leave in a template; refused as secrets outside development."""


class ServiceSettings(BaseSettings):
    """Base of each service's one settings class; subclasses set `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "production"] = "production"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    instance_name: str = Field(default_factory=socket.gethostname, min_length=1)
    metrics_address: Address = "0.0.0.0:9464"
    drain_seconds: float = Field(default=30.0, gt=0)
    """How long running calls may go on after SIGTERM."""

    @model_validator(mode="after")
    def _refuse_placeholder_secrets(self) -> "ServiceSettings":
        if self.environment == "development":
            return self
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and value.get_secret_value().lower() in PLACEHOLDERS:
                raise ValueError(f"{name}: a placeholder is refused outside development")
        return self


class GrpcServiceSettings(ServiceSettings):
    """Base for services that speak gRPC."""

    grpc_address: Address = "0.0.0.0:9000"
    maximum_concurrent_calls: int = Field(default=1024, ge=1)
    """Calls in flight, health apart, before further ones are refused with QUEUE_FULL."""
    maximum_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """Of one request; with the bound above, what callers can make this process hold."""


class DatabaseSettings(ServiceSettings):
    """Base for services that own a schema of PostgreSQL, and what bringing it up to date needs."""

    database_url: SecretStr
    """SQLAlchemy URL, `postgresql+asyncpg://...`."""
    database_timeout_seconds: float = Field(default=5.0, gt=0)
    """For connecting, for a statement, and for a place in the pool; services set their own."""
    database_wait_seconds: float = Field(default=60.0, gt=0)
    """How long a start waits for a PostgreSQL that is still starting itself, or for its schema."""
    migrate_on_start: bool = True
    """Whether a start brings the schema up to date. If not, `python -m headrace_<service>.migrate`
    does so before, and the start waits for it."""
    migration_seconds: float = Field(default=600.0, gt=0)
    """For bringing it up to date, and for another process that is at it."""
    pool_size: int = Field(default=10, ge=1)
    """Connections; further uses wait for one, `database_timeout_seconds` at most."""


S = TypeVar("S", bound=ServiceSettings)


def load_settings(kind: type[S], *, part: bool = False) -> S:
    """What the environment says; ends the process with a line for each fault in it.

    A line names the variable and the rule, never the value, which may be a secret. In development
    a variable that is no setting is a fault, too, unless the process reads only a `part` of its
    service's settings; in production an older release may be told what only a newer one knows.
    """
    prefix = kind.model_config["env_prefix"]
    try:
        settings = kind()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_context=False, include_url=False)
        lines = [f"{prefix}{_name(fault['loc'])}: {_rule(fault['msg'])}" for fault in faults]
    except SettingsError as error:  # its text names the field, its cause would quote the value
        lines = [f"{prefix}...: {error}; it must be JSON"]
    else:
        strict = settings.environment == "development" and not part
        lines = _unknown(prefix, kind) if strict else []
        if not lines:
            return settings
    raise SystemExit("\n".join(lines))


def _unknown(prefix: str, kind: type[ServiceSettings]) -> list[str]:
    known = [name.upper() for name in kind.model_fields]
    given = (name.removeprefix(prefix) for name in sorted(os.environ) if name.startswith(prefix))
    lines = []
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"; did you mean {prefix}{near[0]}?" if near else ""
            lines.append(f"{prefix}{name}: there is no such setting{meant}")
    return lines


def _name(location: tuple[int | str, ...]) -> str:
    """Of the rest of the variable; rules about several fields have no location."""
    return str(location[0]).upper() if location else "..."


def _rule(message: str) -> str:
    return message.removeprefix("Value error, ")
