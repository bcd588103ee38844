"""What a third-party application may register, and which redirect URIs count as its own."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.domain.oauth_clients import (
    GrantType,
    OAuthClient,
    check_oauth_client,
    granted_scopes,
    has_client_secret,
)
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.domain.redirect_uris import check_redirect_uri, redirect_uri_matches
from headrace_auth.testing.oauth_world import NATIVE, RIVAL, SECRET, WEB
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.rules import complaint


@pytest.mark.parametrize("client", [WEB, NATIVE, RIVAL])
def test_good_clients_pass(client: OAuthClient) -> None:
    assert complaint(check_oauth_client, client) == ""


@pytest.mark.parametrize(
    ("param", "change"),
    [
        ("client_id", {"client_id": ""}),
        ("client_id", {"client_id": "x" * 101}),
        ("client_id", {"client_id": "a b"}),
        ("client_id", {"client_id": "a:b"}),
        ("client_id", {"client_id": "a\n"}),
        ("client_id", {"client_id": "headrace"}),
        ("name", {"name": ""}),
        ("name", {"name": "\u202eevil"}),
        ("secret_sha256", {"secret_sha256": b"short"}),
        ("scopes", {"scopes": frozenset()}),
        ("scopes", {"scopes": frozenset({"root"})}),
        ("grant_types", {"grant_types": frozenset()}),
        ("grant_types", {"grant_types": frozenset({"password"})}),
        ("grant_types", {"grant_types": frozenset({GrantType.REFRESH_TOKEN})}),
        ("grant_types", {"secret_sha256": None}),
        ("service_user_id", {"service_user_id": None}),
        ("service_user_id", {"grant_types": frozenset({GrantType.AUTHORIZATION_CODE})}),
        ("redirect_uris", {"redirect_uris": ()}),
        ("redirect_uris", {"grant_types": frozenset({GrantType.CLIENT_CREDENTIALS})}),
        ("redirect_uris", {"redirect_uris": ("https://a.example/",) * 2}),
        ("redirect_uris", {"redirect_uris": tuple(f"https://a.example/{n}" for n in range(11))}),
        ("redirect_uris", {"redirect_uris": ("https://a.example/", "http://a.example/")}),
    ],
)
def test_each_broken_rule_names_its_field(param: str, change: dict[str, Any]) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_oauth_client(replace(WEB, **change))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example",
        "https://app.example/",
        "https://app.example:8443/a/b?x=1&y=%2F",
        "https://192.0.2.1/cb",
        "https://[2001:db8::1]/cb",
        "https://localhost/cb",
    ],
)
def test_every_client_may_register_https(uri: str) -> None:
    for public in (False, True):
        assert complaint(check_redirect_uri, uri, public=public) == ""


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:8080/cb",
        "http://[::1]/cb",
        "com.example.app:/callback",
        "com.example.app://callback",
    ],
)
def test_only_public_clients_may_register_native_ones(uri: str) -> None:
    check_redirect_uri(uri, public=True)
    with pytest.raises(HeadraceError):
        check_redirect_uri(uri, public=False)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/callback",
        "//app.example/cb",
        "http://app.example/cb",
        "http://localhost/cb",
        "http://127.0.0.2/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://[::1%25eth0]/cb",
        "https:///cb",
        "https://",
        "HTTPS://app.example/cb",
        "https://App.example/cb",
        "https://user:password@app.example/cb",
        "https://app.example/cb#fragment",
        "https://app.example/cb#",
        "https://*.example/cb",
        "https://app.example/*",
        "https://app.example/a/../b",
        "https://app.example/a/%2e%2E/b",
        "https://app.example/a/..%2fb",
        "https://app.example/a/..%5cb",
        "https://app.example\\@evil.example/",
        "https://app.example/a b",
        "https://app.example/\n",
        "https://app.example/cb\n",
        "https://app.example/cb\r\nX: y",
        "https://app.example/%zz",
        "https://app.example/ü",
        "https://аpp.example/",  # noqa: RUF001 - a Cyrillic letter
        "https://-app.example/",
        "https://app.example:99999/",
        "https://app.example:0/",
        "https://app.example:/",
        "https://app.example/?code=1",
        "https://app.example/?x=1&iss=https://evil.example",
        "https://app.example/?%73tate=1",
        "https://app.example/" + "x" * 500,
        "javascript:alert(1)",
        "data:text/html,x",
        "app:/callback",
        "com.example.app:callback",
        "com.example.app:",
        ".com:/callback",
        "Com.example.app:/callback",
        "urn:ietf:wg:oauth:2.0:oob",
    ],
)
def test_nobody_may_register_these(uri: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_redirect_uri(uri, public=True)
    assert caught.value.param == "redirect_uris"


@pytest.mark.parametrize("port", ["", ":1", ":8080", ":65535"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_on_loopback_the_port_does_not_count(host: str, port: str) -> None:
    for registered in ("", ":3000"):
        uri = f"http://{host}{registered}/cb?a=1"
        assert redirect_uri_matches(uri, f"http://{host}{port}/cb?a=1")
        for wrong in ("/cb", "/cb?a=2", "/cb/?a=1", "/cb?a=1#", "/CB?a=1", "@evil.example/cb?a=1"):
            assert not redirect_uri_matches(uri, f"http://{host}{port}{wrong}")


@pytest.mark.parametrize(
    "requested",
    [
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:8080evil/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://[::1]/cb",
        "https://127.0.0.1/cb",
        "http://127.1/cb",
        "http://localhost/cb",
        "http://127.0.0.1:٣/cb",
    ],
)
def test_on_loopback_all_else_counts(requested: str) -> None:
    assert not redirect_uri_matches("http://127.0.0.1/cb", requested)


@given(st.text(max_size=60), st.text(max_size=60))
def test_anything_put_before_or_behind_is_another_uri(before: str, behind: str) -> None:
    uri = "https://app.example/cb"
    assert redirect_uri_matches(uri, before + uri + behind) == (before + behind == "")


@given(st.from_regex(r"https?://[a-z0-9.:@\[\]-]{0,20}[/?a-z]{0,10}", fullmatch=True))
def test_what_may_be_registered_matches_itself_and_its_case_does_not(uri: str) -> None:
    try:
        check_redirect_uri(uri, public=True)
    except HeadraceError:
        return
    assert redirect_uri_matches(uri, uri)
    assert not redirect_uri_matches(uri, uri.upper())
    assert not redirect_uri_matches(uri, uri + "/")


def test_a_secret_is_compared_whole_and_never_with_nothing() -> None:
    assert has_client_secret(WEB, SECRET)
    for wrong in ("", SECRET[:-1], SECRET + "x", SECRET.upper(), "ü"):
        assert not has_client_secret(WEB, wrong)
    assert not has_client_secret(None, SECRET)
    assert not has_client_secret(NATIVE, "")
    assert not has_client_secret(NATIVE, SECRET)


@given(
    st.frozensets(st.sampled_from(Scope)),
    st.frozensets(st.sampled_from(Scope)),
    st.sampled_from(Role),
)
def test_what_is_granted_is_in_all_three(
    requested: frozenset[Scope], own: frozenset[Scope], role: Role
) -> None:
    granted = granted_scopes(requested, replace(WEB, scopes=own), role)
    assert granted <= requested
    assert granted <= own
    if role is Role.OWNER:
        assert granted == requested & own


def test_no_representation_shows_a_secret() -> None:
    assert WEB.secret_sha256 is not None
    assert repr(WEB.secret_sha256) not in repr(WEB)
