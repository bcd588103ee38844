"""Who becomes which user: every case of the linking rule, and what a provider's config may be."""

from dataclasses import replace
from itertools import product
from typing import Any

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace_auth.domain.external_identity import ExternalIdentity, external_identity
from headrace_auth.domain.federation import (
    Decision,
    EmailAccount,
    ProviderConfig,
    ProviderKind,
    Verdict,
    decide,
)
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.provider_urls import check_endpoint

IDENTITY = ExternalIdentity("acme", "ada", "ada@acme.test", True, "Ada")
LINKED, OWNER = "user-linked", "user-with-the-address"

LOG_IN = Decision(Verdict.LOG_IN, LINKED)
LINK = Decision(Verdict.LINK, OWNER)
TAKE = Decision(Verdict.TAKE_OVER, OWNER)
CREATE = Decision(Verdict.CREATE)


def _no(refusal: LoginRefusal) -> Decision:
    return Decision(Verdict.REFUSE, refusal=refusal)


UNVERIFIED, PASSWORD = _no(LoginRefusal.EMAIL_NOT_VERIFIED), _no(LoginRefusal.PASSWORD_ACCOUNT)
SQUATTED, CLOSED = _no(LoginRefusal.ACCOUNT_NOT_VERIFIED), _no(LoginRefusal.REGISTRATION_CLOSED)

ADDRESSES: dict[str, dict[str, Any]] = {
    "verified": {"email": "ada@acme.test", "email_verified": True},
    "unverified": {"email": "ada@acme.test", "email_verified": False},
    "none": {"email": None, "email_verified": False},
    "none, verified": {"email": None, "email_verified": True},
}
ACCOUNTS = {
    "no account": None,
    "verified": EmailAccount(OWNER, email_verified=True, has_password=False),
    "verified, password": EmailAccount(OWNER, email_verified=True, has_password=True),
    "unverified": EmailAccount(OWNER, email_verified=False, has_password=False),
    "unverified, password": EmailAccount(OWNER, email_verified=False, has_password=True),
    "as registered": EmailAccount(OWNER, False, has_password=True, is_as_registered=True),
}
WELCOMES = {
    "closed": {"registration_open": False, "invited": False},
    "invited": {"registration_open": False, "invited": True},
    "open": {"registration_open": True, "invited": False},
    "open, invited": {"registration_open": True, "invited": True},
}
OF_VERIFIED_ADDRESS = {
    # account                closed    invited   open      open, invited
    "no account":           (CLOSED,   CREATE,   CREATE,   CREATE),
    "verified":             (LINK,     LINK,     LINK,     LINK),
    "verified, password":   (PASSWORD, PASSWORD, PASSWORD, PASSWORD),
    "unverified":           (SQUATTED, SQUATTED, SQUATTED, SQUATTED),
    "unverified, password": (SQUATTED, SQUATTED, SQUATTED, SQUATTED),
    "as registered":        (TAKE,     TAKE,     TAKE,     TAKE),
}  # fmt: skip


@pytest.mark.parametrize(
    ("address", "account", "welcome"), list(product(ADDRESSES, ACCOUNTS, WELCOMES))
)
def test_every_case_of_the_linking_rule(address: str, account: str, welcome: str) -> None:
    identity = replace(IDENTITY, **ADDRESSES[address])
    known: dict[str, Any] = {"account": ACCOUNTS[account], **WELCOMES[welcome]}
    by_table = OF_VERIFIED_ADDRESS[account][list(WELCOMES).index(welcome)]
    expected = by_table if address == "verified" else UNVERIFIED
    assert decide(identity, linked_user_id=None, **known) == expected
    assert decide(identity, linked_user_id=LINKED, **known) == LOG_IN


OIDC: dict[str, Any] = {
    "name": "acme",
    "kind": "oidc",
    "issuer": "https://login.acme.test/realms/a",
    "client_id": "headrace",
    "client_secret": "canary",
}
GITHUB: dict[str, Any] = {"name": "github", "kind": "github", **{
    key: OIDC[key] for key in ("client_id", "client_secret")
}}  # fmt: skip


def test_what_is_left_out_is_as_usual() -> None:
    oidc, github = ProviderConfig(**OIDC), ProviderConfig(**GITHUB)
    assert oidc.scopes == ("openid", "email", "profile")
    assert github.scopes == ("read:user", "user:email")
    assert (github.issuer, github.api_url) == ("https://github.com", "https://api.github.com")
    assert github.kind is ProviderKind.GITHUB
    assert "canary" not in repr(oidc) + repr(github)


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a" * 33, "a_b", "a/b", "ä", "a\n", "a b"])
def test_a_name_that_does_not_fit_into_a_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        ProviderConfig(**{**OIDC, "name": name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "saml"}, "saml"),
        ({"issuer": ""}, "issuer"),
        ({"issuer": "login.acme.test"}, "issuer: must have a host"),
        ({"issuer": "http://login.acme.test"}, "issuer: must be https"),
        ({"issuer": "http://127.0.0.1:8080"}, "issuer: must be https"),
        ({"issuer": "https://login.acme.test?tenant=a"}, "issuer: must have no query"),
        ({"issuer": "https://login.acme.test/?"}, "issuer: must have no query"),
        ({"issuer": "https://login.acme.test#a"}, "issuer: must have no fragment"),
        ({"issuer": "https://u:canary@login.acme.test"}, "issuer: must have a host, and no user"),
        ({"issuer": "https://login.acme.test:x"}, "issuer: not a URL"),
        ({"issuer": "https://login.acme.test:0"}, "issuer: must have a host"),
        ({"issuer": "https://[::1"}, "issuer: not a URL"),
        ({"issuer": "https://login.acme.test/ "}, "issuer: from 1"),
        ({"issuer": "https://login\\.acme.test"}, "issuer: from 1"),
        ({"issuer": "https://" + "a" * 2048}, "issuer: from 1"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_secret": "canary\n"}, "client_secret"),
        ({"client_secret": "canary" * 1000}, "client_secret"),
        ({"scopes": ("email",)}, "openid"),
        ({"scopes": ("openid", "e mail")}, "scopes"),
        ({"scopes": ("openid", '"')}, "scopes"),
        ({"api_url": "https://api.acme.test"}, "api_url"),
    ],
)
def test_an_unusable_config_is_refused_without_quoting_it(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ProviderConfig(**{**OIDC, **change})
    assert "canary" not in str(caught.value)


def test_githubs_api_must_be_https_too() -> None:
    with pytest.raises(ValueError, match="api_url: must be https"):
        ProviderConfig(**GITHUB, api_url="http://api.github.com")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_http_needs_both_loopback_and_the_flag(host: str) -> None:
    issuer = f"http://{host}:8080"
    config = ProviderConfig(**{**OIDC, "issuer": issuer}, allow_http_on_loopback=True)
    assert config.may_use_http
    with pytest.raises(ValueError, match="must be https"):
        ProviderConfig(**{**OIDC, "issuer": issuer})


@pytest.mark.parametrize(
    "host", ["acme.test", "localhost.acme.test", "127.0.0.1.acme.test", "10.0.0.1", "0.0.0.0", "1"]
)
def test_the_flag_is_for_loopback_alone(host: str) -> None:
    with pytest.raises(ValueError, match="must be https"):
        ProviderConfig(**{**OIDC, "issuer": f"http://{host}"}, allow_http_on_loopback=True)


def test_the_flag_leaves_the_endpoints_of_an_https_issuer_alone() -> None:
    assert not ProviderConfig(**OIDC, allow_http_on_loopback=True).may_use_http


URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "https:/", "HTTPS://", "https:", "//", ""]),
    st.text("ab.@:[]\\/#?%1 \t\u0430", max_size=12),
    st.sampled_from(["acme.test", "127.0.0.1", "[::1]", "localhost"]),
    st.text("ab.@:[]\\/#?%1 \t", max_size=8),
)


@given(URLS)
@example("https://evil.test\\@acme.test")
@example("https://acme.test:443@evil.test")
def test_what_is_checked_is_what_is_called(url: str) -> None:
    """The URL parser that decides and the one of the HTTP client see the same host."""
    try:
        check_endpoint("url", url, http_on_loopback=False)
    except ValueError as error:
        assert str(error).startswith("url: ")  # noqa: PT017 - most texts are no URLs
        return
    try:
        called = httpx2.URL(url)
    except httpx2.InvalidURL:
        return  # not called at all
    assert called.scheme == "https"
    assert not called.userinfo
    assert called.host.strip("[]") in url.lower()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(subject=JSON | st.text("ab", min_size=1), email=JSON | st.emails(), verified=JSON, name=JSON)
def test_whatever_a_provider_claims_becomes_an_identity_or_a_value_error(
    subject: Any, email: Any, verified: Any, name: Any
) -> None:
    try:
        identity = external_identity(
            "acme", subject, email=email, email_verified=verified, name=name
        )
    except ValueError:
        assert not (isinstance(subject, str) and subject.isalnum() and subject.isascii())
        return
    assert identity.subject == subject
    assert len(identity.name) <= 100
    assert identity.name.isprintable()
    if identity.email_verified:
        assert identity.email is not None
        assert verified in (True, "true")
    if identity.email is not None:
        assert identity.email == identity.email.lower()
        assert identity.email.isascii()
