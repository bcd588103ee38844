"""Settings: what must be given, what is refused, and that errors quote no secret."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from headrace_auth.domain.principal import LimitKind, Tier
from headrace_auth.settings import AuthSettings
from headrace_common.settings import load_settings

KEY = base64.b64encode(bytes(range(32))).decode()
NEEDED: dict[str, Any] = {
    "database_url": "postgresql+asyncpg://u@/d",
    "redis_url": "redis://r",
    "audit_target": "audit:50051",
    "key_encryption_key": KEY,
}


def test_what_is_needed_is_enough() -> None:
    settings = AuthSettings(**NEEDED)
    assert settings.key_encryption_bytes() == bytes(range(32))
    assert settings.access_token_seconds == 30 * 60
    assert settings.bootstrap_email is None
    policy = settings.rotation_policy()
    assert policy.algorithm == "ES256"
    assert (policy.period, policy.lead) == (timedelta(days=30), timedelta(hours=1))
    assert policy.overlap >= timedelta(minutes=30)


@pytest.mark.parametrize("name", NEEDED)
def test_each_of_them_is_needed(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        AuthSettings(**{key: value for key, value in NEEDED.items() if key != name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_encryption_key": "not base64!"}, "base64"),
        ({"key_encryption_key": base64.b64encode(b"canary").decode()}, "32 bytes"),
        ({"bootstrap_email": "owner@acme.test"}, "belong together"),
        ({"bootstrap_password": "canary-canary"}, "belong together"),
        ({"bootstrap_email": "o@a.test", "bootstrap_password": "canary-11ch"}, "at least 12"),
        ({"minimum_password_length": 11}, "minimum_password_length"),
        ({"signing_algorithm": "HS256"}, "signing_algorithm"),
        ({"signing_key_lead_seconds": 299}, "signing_key_lead_seconds"),
        ({"audit_target": "no port"}, "audit_target"),
        ({"tier_limits": {"canary": {}}}, "a tier must be one of free, standard, premium"),
        ({"tier_limits": {"free": {"requests_per_minute": "canary"}}}, "free.requests_per_minute"),
        ({"tier_limits": ["canary"]}, "tier_limits"),
    ],
)
def test_unusable_values_are_refused_without_quoting_them(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        AuthSettings(**{**NEEDED, **change})
    assert "canary" not in str(caught.value)


def test_the_environment_is_read_and_empty_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"HEADRACE_AUTH_{name.upper()}", value)
    monkeypatch.setenv("HEADRACE_AUTH_ISSUER", "https://llm.acme.test")
    monkeypatch.setenv("HEADRACE_AUTH_BOOTSTRAP_EMAIL", "")
    monkeypatch.setenv("HEADRACE_AUTH_BOOTSTRAP_PASSWORD", "")
    settings = AuthSettings()
    assert settings.token_audience().issuer == "https://llm.acme.test"
    assert settings.bootstrap_email is None


def test_limits_of_tiers_are_one_table_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(AuthSettings(**NEEDED).limits_of_tiers().amounts) == {Tier.FREE}
    monkeypatch.setenv("HEADRACE_AUTH_TIER_LIMITS", '{"premium": {"concurrent_requests": 9}}')
    limits = AuthSettings(**NEEDED).limits_of_tiers()
    assert limits.amounts == {Tier.PREMIUM: {LimitKind.CONCURRENT_REQUESTS: 9}}
    monkeypatch.setenv("HEADRACE_AUTH_TIER_LIMITS", "{}")
    assert AuthSettings(**NEEDED).limits_of_tiers().amounts == {}


def test_a_service_that_cannot_have_these_limits_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"HEADRACE_AUTH_{name.upper()}", value)
    monkeypatch.setenv("HEADRACE_AUTH_TIER_LIMITS", '{"free": {"tokens_per_minute": 0}}')
    with pytest.raises(SystemExit) as caught:
        load_settings(AuthSettings)
    assert str(caught.value) == (
        "HEADRACE_AUTH_TIER_LIMITS: free.tokens_per_minute: "
        "must be a whole number from 1 to 1000000000000"
    )


def test_secrets_are_not_in_the_repr() -> None:
    settings = AuthSettings(**NEEDED)
    assert KEY not in repr(settings)
    assert "asyncpg" not in repr(settings)


PROVIDERS = {
    "acme": {
        "kind": "oidc",
        "issuer": "https://login.acme.test",
        "client_id": "headrace",
        "client_secret": "canary-1",
    },
    "github": {"kind": "github", "client_id": "Iv1.1", "client_secret": "canary-2"},
}


def test_identity_providers_are_read_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_AUTH_IDENTITY_PROVIDERS", json.dumps(PROVIDERS))
    settings = AuthSettings(**NEEDED)
    acme, github = settings.provider_configs()
    assert (acme.name, acme.issuer, acme.client_secret) == (
        "acme",
        "https://login.acme.test",
        "canary-1",
    )
    assert (github.name, github.client_secret) == ("github", "canary-2")
    assert "canary" not in repr(settings) + repr((acme, github))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("Acme", {}, "name"),
        ("acme", {"kind": "saml"}, "kind"),
        ("acme", {"issuer": "http://login.acme.test"}, "acme: issuer: must be https"),
        ("acme", {"client_secret": "canary\n"}, "acme: client_secret"),
        ("acme", {"client_secret": "changeme"}, "acme: a placeholder"),
        ("acme", {"secret": "canary"}, "secret"),
        ("acme", {"client_secret": ["canary"]}, "client_secret"),
        ("acme", {"allow_http_on_loopback": True}, "allow_http_on_loopback"),
    ],
)
def test_an_unusable_identity_provider_is_refused_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, Any], message: str
) -> None:
    provider = {**PROVIDERS["acme"], **change}
    monkeypatch.setenv("HEADRACE_AUTH_IDENTITY_PROVIDERS", json.dumps({name: provider}))
    with pytest.raises(ValidationError, match=message) as caught:
        AuthSettings(**NEEDED)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["canary", "{canary", '["canary"]', '{"acme": "canary"}'])
def test_providers_that_are_no_json_object_are_refused_without_quoting_them(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HEADRACE_AUTH_IDENTITY_PROVIDERS", text)
    with pytest.raises((ValidationError, SettingsError), match="identity_providers") as caught:
        AuthSettings(**NEEDED)
    assert "canary" not in str(caught.value)


def test_only_development_allows_http_on_loopback() -> None:
    providers = {"acme": {**PROVIDERS["acme"], "issuer": "http://127.0.0.1:9400"}}
    with pytest.raises(ValidationError, match="must be https"):
        AuthSettings(**NEEDED, identity_providers=providers)
    settings = AuthSettings(**NEEDED, identity_providers=providers, environment="development")
    assert settings.provider_configs()[0].may_use_http


def test_front_ends_are_https_or_here_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    uris = ["https://app.acme.test/welcome?a=b", "http://localhost:5173/"]
    monkeypatch.setenv("HEADRACE_AUTH_FEDERATION_REDIRECT_URIS", json.dumps(uris))
    with pytest.raises(ValidationError, match="federation_redirect_uris: must be https"):
        AuthSettings(**NEEDED)
    settings = AuthSettings(**NEEDED, environment="development")
    assert settings.federation_redirect_uris == tuple(uris)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://app.acme.test/#top",
        "https://app.acme.test/#",
        "https://user@app.acme.test/",
        "https://app.acme.test/ x",
        "https://app.acme.test\\@evil.test/",
        "javascript:alert(1)",
        "app.acme.test",
        "http://app.acme.test/",
    ],
)
def test_what_cannot_be_a_front_end_is_refused(uri: str) -> None:
    with pytest.raises(ValidationError, match="federation_redirect_uris"):
        AuthSettings(**NEEDED, federation_redirect_uris=(uri,), environment="development")
