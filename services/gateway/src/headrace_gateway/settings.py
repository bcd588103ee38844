"""What the gateway can be told from its environment (`HEADRACE_GATEWAY_...`)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from headrace_common.settings import Address, GrpcServiceSettings
from headrace_gateway.domain.completion import MODEL_CHARACTERS
from headrace_gateway.edge_settings import EdgeSettings

ModelId = Annotated[str, StringConstraints(min_length=1, max_length=MODEL_CHARACTERS)]


class GatewaySettings(EdgeSettings, GrpcServiceSettings):
    """Settings of one gateway process."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_GATEWAY_")

    http_address: Address = "0.0.0.0:8080"
    maximum_concurrent_calls: int = Field(default=512, ge=1)
    """Of the gRPC front door; each is read before it is known who calls."""
    maximum_message_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    drain_seconds: float = Field(default=330.0, gt=0)
    """Longest stream plus a margin; streams in flight at SIGTERM may finish."""

    auth_target: Address
    cache_target: Address
    audit_target: Address
    models: dict[ModelId, Address] | None = Field(default=None, min_length=1)
    """Public model id to inference target, as a JSON object: the simplest way to tell targets."""
    routes_file: Path | None = None
    """Or a YAML file of weighted targets and fallbacks (docs/routing.md), read again on change."""
    kubernetes_namespace: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,63}$")
    """Or the namespace whose Services are targets, by their labels (docs/routing.md)."""
    routes_refresh_seconds: float = Field(default=2.0, gt=0)
    """How often the file is looked at."""
    models_refresh_seconds: float = Field(default=5.0, gt=0)
    """How often targets are asked what they serve, once every model has been seen."""
    load_refresh_seconds: float = Field(default=1.0, gt=0)
    maximum_attempts: int = Field(default=3, ge=1)
    """Targets that are asked for one answer."""
    ejection_failures: int = Field(default=5, ge=1)
    """In a row, before a target is left out as long as there are others."""
    ejection_seconds: float = Field(default=1.0, gt=0)
    """For the first time; twice as long each further time, up to the maximum."""
    maximum_ejection_seconds: float = Field(default=30.0, gt=0)

    admission_redis_url: SecretStr
    admission_timeout_seconds: float = Field(default=0.5, gt=0)
    admission_lease_seconds: float = Field(default=30.0, gt=0)
    """What a request holds is given back so long after its gateway has died."""
    admission_slow_seconds: float = Field(default=0.25, gt=0)
    admission_failures: int = Field(default=5, ge=1)
    """So many slow or failed calls in a row, and this gateway counts alone, until one is not."""
    admission_retry_seconds: float = Field(default=1.0, gt=0)
    """How long not to ask then, before a call tries again."""
    replicas: int = Field(default=1, ge=1)
    """Gateways that share limits: while they are counted alone, each takes its part of them."""
    budgets_without_redis: Literal["refuse", "pass"] = "refuse"
    """Whether requests with budgets pass, uncounted, while they cannot be counted together."""
    free_tightened_above: float = Field(default=0.8, ge=0)
    """Saturation of a model, of which 1 is all that it can do, above which limits shrink."""
    standard_tightened_above: float = Field(default=1.0, ge=0)
    tightened_factor: float = Field(default=0.5, gt=0, le=1)
    default_requests_per_minute: int = Field(default=600, ge=1)
    """Of a user, over all credentials, unless the organisation has a rate; the rest narrows it."""

    maximum_strangers_in_flight: int = Field(default=256, ge=1)
    """Unknown credentials that `auth` is being asked about before further ones get QUEUE_FULL."""
    principal_fresh_seconds: float = Field(default=10.0, gt=0)
    principal_stale_seconds: float = Field(default=600.0, gt=0)
    """How long a known principal is served from memory while `auth` does not answer."""

    key_uses_report_seconds: float = Field(default=10.0, gt=0)
    """How often `auth` is told how often API keys were used."""

    spool_directory: Path
    spool_maximum_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)

    maximum_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    maximum_body_bytes_in_flight: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Of all requests through one door that are not answered yet; others are refused (QUEUE_FULL).

    Measured: text takes 1.4 times as much memory, 4.5 times if one character of it is an emoji.
    """
    maximum_share_per_organization: float = Field(default=0.5, gt=0, le=1)
    """Part of the requests and of their bytes that one organisation may have in flight."""
    body_timeout_seconds: float = Field(default=30.0, gt=0)
    """How long a request body may take to arrive; one of a login or of administration, 5 s."""
    maximum_prompt_characters: int = Field(default=400_000, ge=1)
    maximum_native_prompt_characters: int = Field(default=10_000, ge=1)
    """Of `/api/v1/llm`."""
    guard_policy_file: Path | None = None
    """YAML (docs/guardrails.md); without one, `default_guard_policies.yaml` in this package."""
    guard_policy_refresh_seconds: float = Field(default=5.0, gt=0)
    """How often that file is looked at; a changed one is in force for requests that come then."""
    maximum_requests_in_flight: int = Field(default=1024, ge=1)
    """Requests, health apart, before further ones are refused with QUEUE_FULL."""
    maximum_logins_in_flight: int = Field(default=64, ge=1)
    """Of these, requests of people who log in, and so of strangers; of one address a quarter."""
    auth_timeout_seconds: float = Field(default=2.0, gt=0)
    account_timeout_seconds: float = Field(default=5.0, gt=0)
    identity_provider_timeout_seconds: float = Field(default=12.0, gt=0)
    """For the calls in which `auth` asks an identity provider: longer than that may take there."""
    cache_timeout_seconds: float = Field(default=0.02, gt=0)
    cache_store_timeout_seconds: float = Field(default=0.25, gt=0)
    generation_timeout_seconds: float = Field(default=305.0, gt=0)
    """More than `inference` allows a request, so that callers hear of its limit as such."""
    stall_seconds: float = Field(default=60.0, gt=0)
    """Silence in the middle of an answer that ends it; more than `inference` allows its engine."""
    write_timeout_seconds: float = Field(default=30.0, gt=0)
    """How long one write may wait for a client that does not read."""
    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """Silence on a stream after which a comment keeps proxies from closing it."""

    @model_validator(mode="after")
    def _check_targets(self) -> "GatewaySettings":
        told = (self.models, self.routes_file, self.kubernetes_namespace)
        if sum(each is not None for each in told) != 1:
            raise ValueError(
                "exactly one of models, routes_file and kubernetes_namespace must be set"
            )
        return self

    @model_validator(mode="after")
    def _check_bodies(self) -> "GatewaySettings":
        share = self.maximum_share_per_organization * self.maximum_body_bytes_in_flight
        if share < self.maximum_body_bytes:
            raise ValueError(
                "an organization's share of maximum_body_bytes_in_flight must not be below "
                "maximum_body_bytes"
            )
        return self
