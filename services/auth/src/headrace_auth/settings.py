"""What the auth service can be told from its environment (`HEADRACE_AUTH_...`)."""

import base64
import binascii
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from headrace_auth.account_settings import AccountSettings
from headrace_auth.crypto.passwords import PasswordCost
from headrace_auth.domain.access_tokens import Audience
from headrace_auth.domain.federation import ProviderConfig, ProviderKind
from headrace_auth.domain.key_rotation import RotationPolicy
from headrace_auth.domain.provider_urls import check_endpoint
from headrace_auth.domain.tiers import DEFAULT_TIER_LIMITS, TierLimits, check_tier_limits
from headrace_auth.use_cases.sessions.open_sessions import SessionPolicy
from headrace_common.settings import PLACEHOLDERS, Address, DatabaseSettings

KEY_BYTES = 32


class IdentityProviderSettings(BaseModel):
    """One value of `identity_providers`; what each field means, ProviderConfig says."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ProviderKind
    client_id: str
    client_secret: SecretStr
    issuer: str = ""
    api_url: str = ""
    scopes: tuple[str, ...] = ()


class AuthMigrationSettings(DatabaseSettings):
    """What of the settings of auth its migration needs."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_AUTH_", env_ignore_empty=True)


class AuthSettings(AccountSettings, DatabaseSettings):
    """Settings of one auth process."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_AUTH_", env_ignore_empty=True)

    maximum_message_bytes: int = Field(default=256 * 1024, ge=1024)

    database_timeout_seconds: float = Field(default=1.5, gt=0)
    """Per use; below the 2 s that gateways wait, so that they hear of an outage as such."""
    audit_target: Address
    """Where changes are told; they wait in the database while it does not answer."""
    read_pool_size: int = Field(default=8, ge=1)
    """Connections beside these, for resolving credentials alone."""
    redis_url: SecretStr
    """Admission's Redis, where gateways look for revocations; remembers nonces, too."""
    redis_timeout_seconds: float = Field(default=1.0, gt=0)
    redis_maximum_connections: int = Field(default=8, ge=1)
    """For announcements, and as many for nonces; who waits does so for the timeout at most."""

    key_encryption_key: SecretStr
    """Base64 of 32 random bytes; encrypts secrets at rest. Losing it ends all tokens."""
    audience: str = Field(default="headrace", min_length=1)
    """`aud` of access tokens."""
    access_token_seconds: int = Field(default=1800, ge=1, le=86_400)
    refresh_token_seconds: int = Field(default=7 * 86_400, ge=60)
    """Without a refresh for so long, a session ends."""
    session_seconds: int = Field(default=30 * 86_400, ge=60)
    """The longest a session lives, however often it is refreshed."""
    maximum_sessions_per_user: int = Field(default=100, ge=1)
    """One more ends the oldest."""
    signing_algorithm: Literal["ES256", "RS256"] = "ES256"
    """Of new signing keys; a change takes effect with a new key, after the lead."""
    signing_key_days: int = Field(default=30, ge=1, le=365)
    """How long a key signs until the next one does."""
    signing_key_lead_seconds: int = Field(default=3600, ge=300, le=43_200)
    """How long a key is published before it signs: longer than anybody caches published keys."""

    bootstrap_email: str | None = None
    bootstrap_password: SecretStr | None = None
    """With `bootstrap_email`: the owner whom an empty installation starts with."""
    bootstrap_token: SecretStr | None = Field(default=None, min_length=32)
    """Whoever has it makes that owner instead, by `headrace bootstrap`; worth nothing then."""

    argon2_time_cost: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65_536, ge=8)
    argon2_parallelism: int = Field(default=4, ge=1)
    """Defaults are RFC 9106's second recommended option, for machines without 2 GiB to spare."""
    password_threads: int = Field(default=2, ge=1)
    maximum_pending_logins: int = Field(default=32, ge=1)
    """Logins that run or wait; further ones are refused with QUEUE_FULL."""

    tier_limits: dict[str, Any] = Field(default_factory=lambda: dict(DEFAULT_TIER_LIMITS))
    """What organisations of a tier may use as a whole: a JSON object, tier (free, standard,
    premium) to kind (requests_per_minute, tokens_per_minute, concurrent_requests) to amount. A
    limit that is set for an organisation takes the place of its tier's of that kind. A tier that
    the object does not name has none."""

    identity_providers: dict[str, IdentityProviderSettings] = Field(
        default_factory=dict, max_length=32
    )
    """Who else may vouch for people: a JSON object, name to IdentityProviderSettings. The name is
    part of the redirect URI that the provider must know, and of the links to users: it must not
    move to another issuer."""
    federation_redirect_uris: tuple[str, ...] = Field(default=(), max_length=32)
    """Front ends that people may come back to from a provider: a JSON list of URLs, compared to the
    letter. Each must be https, and have no fragment."""
    identity_provider_timeout_seconds: float = Field(default=8.0, gt=0)
    """For one login step, all questions to the provider together; gateways wait a little longer."""
    identity_provider_maximum_connections: int = Field(default=32, ge=1)

    oauth_threads: int = Field(default=4, ge=1)
    """Authlib's server is synchronous, and waits in them for the database."""
    maximum_pending_oauth_requests: int = Field(default=64, ge=1)
    """Token requests of applications that run or wait; further ones are refused (QUEUE_FULL)."""

    @field_validator("key_encryption_key")
    @classmethod
    def _check_key(cls, value: SecretStr) -> SecretStr:
        _decode_key(value)
        return value

    @field_validator("tier_limits")
    @classmethod
    def _check_tier_limits(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_tier_limits(value)
        return value

    @model_validator(mode="after")
    def _check_bootstrap(self) -> "AuthSettings":
        if (self.bootstrap_email is None) != (self.bootstrap_password is None):
            raise ValueError("bootstrap_email and bootstrap_password belong together")
        password = self.bootstrap_password
        if password and len(password.get_secret_value()) < self.minimum_password_length:
            minimum = self.minimum_password_length
            raise ValueError(f"bootstrap_password must have at least {minimum} characters")
        return self

    @model_validator(mode="after")
    def _check_identity_providers(self) -> "AuthSettings":
        for config in self.provider_configs():
            if self.environment != "development" and config.client_secret.lower() in PLACEHOLDERS:
                raise ValueError(f"identity_providers: {config.name}: a placeholder is refused")
        return self

    @model_validator(mode="after")
    def _check_federation_redirect_uris(self) -> "AuthSettings":
        for uri in self.federation_redirect_uris:
            development = self.environment == "development"
            check_endpoint("federation_redirect_uris", uri, http_on_loopback=development)
        return self

    def provider_configs(self) -> tuple[ProviderConfig, ...]:
        """The identity providers; raises ValueError that names the provider and the rule."""
        return tuple(self._provider_config(name) for name in self.identity_providers)

    def _provider_config(self, name: str) -> ProviderConfig:
        given = self.identity_providers[name]
        try:
            return ProviderConfig(
                name=name,
                kind=given.kind,
                client_id=given.client_id,
                client_secret=given.client_secret.get_secret_value(),
                issuer=given.issuer,
                api_url=given.api_url,
                scopes=given.scopes,
                allow_http_on_loopback=self.environment == "development",
            )
        except ValueError as error:
            raise ValueError(f"identity_providers: {name[:32]}: {error}") from error

    def limits_of_tiers(self) -> TierLimits:
        return check_tier_limits(self.tier_limits)

    def key_encryption_bytes(self) -> bytes:
        return _decode_key(self.key_encryption_key)

    def session_policy(self) -> SessionPolicy:
        return SessionPolicy(
            access_token_seconds=self.access_token_seconds,
            refresh_token_seconds=self.refresh_token_seconds,
            session_seconds=self.session_seconds,
            sessions_per_user=self.maximum_sessions_per_user,
        )

    def rotation_policy(self) -> RotationPolicy:
        return RotationPolicy.of(
            algorithm=self.signing_algorithm,
            period=timedelta(days=self.signing_key_days),
            lead=timedelta(seconds=self.signing_key_lead_seconds),
            token_life=timedelta(seconds=self.access_token_seconds),
        )

    def token_audience(self) -> Audience:
        return Audience(self.issuer, self.audience)

    def oauth_port_seconds(self) -> float:
        """Longer than the longest step, a transaction and what it announces, can take."""
        return self.database_timeout_seconds + self.redis_timeout_seconds + 0.5

    def password_cost(self) -> PasswordCost:
        return PasswordCost(
            time_cost=self.argon2_time_cost,
            memory_kib=self.argon2_memory_kib,
            parallelism=self.argon2_parallelism,
            threads=self.password_threads,
            maximum_pending=self.maximum_pending_logins,
        )


def _decode_key(value: SecretStr) -> bytes:
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"must be {KEY_BYTES} bytes in base64")
    return key
