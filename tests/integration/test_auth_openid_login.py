"""Logins at a real OpenID Connect provider (oidc-provider-mock), walked by a real HTTP client."""

import base64
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from tests.integration.openid_front import DISCOVERY, KEYS, TOKEN, USER_INFO, Forger, Front
from tests.stack.openid_provider import register_client

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.oidc import OpenIdProvider
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.federation import ProviderConfig, ProviderKind
from headrace_auth.testing.identity_providers import (
    CALLBACK,
    Approve,
    IdentityProviderSuite,
    begin,
    finish,
)
from headrace_common.testing.clock import FakeClock

ALGORITHMS = [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "okp")]


class TestOpenIdProvider(IdentityProviderSuite):
    pass


@pytest.mark.parametrize(
    "secret_in", ["client_secret_basic", "client_secret_post"], ids=["basic", "post"]
)
async def test_the_secret_goes_where_the_provider_wants_it(
    front: Front,
    channel: BackChannel,
    clock: FakeClock,
    approve: Approve,
    somebody: ExternalIdentity,
    secret_in: str,
) -> None:
    client_id, secret = register_client(front.url, redirect_uri=CALLBACK, auth_method=secret_in)
    front.lie(DISCOVERY, token_endpoint_auth_methods_supported=["private_key_jwt", secret_in])
    config = ProviderConfig(
        name="acme",
        kind=ProviderKind.OIDC,
        issuer=front.url,
        client_id=client_id,
        client_secret=secret,
        allow_http_on_loopback=True,
    )
    provider = OpenIdProvider(config, channel, clock)
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody
    [request] = [request for request in front.requests if request.path == TOKEN]
    assert ("client_secret" in request.form) == (secret_in == "client_secret_post")
    assert ("authorization" in request.headers) == (secret_in == "client_secret_basic")


async def test_id_and_secret_are_form_encoded_in_the_basic_header(
    front: Front, channel: BackChannel, clock: FakeClock, approve: Approve, provider: OpenIdProvider
) -> None:
    code = await approve(await begin(provider))
    config = ProviderConfig(
        name="acme",
        kind=ProviderKind.OIDC,
        issuer=front.url,
        client_id="a:b",
        client_secret="c d%+/\x7e",
        allow_http_on_loopback=True,
    )
    with pytest.raises(Exception, match="did not confirm"):
        await finish(OpenIdProvider(config, channel, clock), code)
    sent = front.requests[-1].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent) == b"a%3Ab:c+d%25%2B%2F~"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by RFC 9864, for Ed25519 by name
@pytest.mark.parametrize(("algorithm", "kid"), ALGORITHMS)
async def test_each_algorithm_of_the_list_is_believed(
    provider: OpenIdProvider,
    forger: Forger,
    approve: Approve,
    somebody: ExternalIdentity,
    algorithm: str,
    kid: str,
) -> None:
    key = {"rsa": forger.rsa, "ec": forger.ec, "okp": forger.okp}[kid]
    # The one that came is of SHA-256, and EdDSA's would be of SHA-512.
    forger.sign_anew(lambda claims: without(claims, "at_hash"), key=key, alg=algorithm, kid=kid)
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody


async def test_a_token_without_key_id_is_believed_if_one_key_fits(
    provider: OpenIdProvider, forger: Forger, approve: Approve, somebody: ExternalIdentity
) -> None:
    forger.sign_anew(kid=None)
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody


@pytest.mark.parametrize(
    "other", [{"use": "enc"}, {"alg": "PS256"}, {"kty": "oct"}, {"kty": "new"}]
)
async def test_of_several_keys_with_one_name_the_fitting_one_is_used(
    provider: OpenIdProvider,
    forger: Forger,
    approve: Approve,
    somebody: ExternalIdentity,
    other: dict[str, str],
) -> None:
    forger.published.insert(0, {**RSAKey.generate_key(2048).as_dict(), "kid": "rsa", **other})
    forger.sign_anew()
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody


async def test_headers_that_nobody_needs_to_understand_do_not_matter(
    provider: OpenIdProvider, forger: Forger, approve: Approve, somebody: ExternalIdentity
) -> None:
    unknown: dict[str, Any] = {"typ": "JWT", "pi.atm": "1"}
    forger.sign_anew(**unknown)
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody


async def test_several_audiences_are_believed_if_we_are_the_authorised_party(
    provider: OpenIdProvider,
    provider_config: ProviderConfig,
    forger: Forger,
    approve: Approve,
    somebody: ExternalIdentity,
) -> None:
    us = provider_config.client_id
    forger.sign_anew(lambda claims: {**claims, "aud": ["other", us], "azp": us})
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody


async def test_clocks_may_differ_by_two_minutes(
    provider: OpenIdProvider, clock: FakeClock, approve: Approve, somebody: ExternalIdentity
) -> None:
    clock.advance(-110)
    code = await approve(await begin(provider))
    assert await finish(provider, code) == somebody


async def test_user_info_is_asked_only_for_a_missing_address(
    provider: OpenIdProvider,
    front: Front,
    forger: Forger,
    approve: Approve,
    somebody: ExternalIdentity,
) -> None:
    forger.sign_anew()
    assert await finish(provider, await approve(await begin(provider))) == somebody
    assert front.count(USER_INFO) == 0
    forger.sign_anew(lambda claims: without(claims, "email", "email_verified", "name"))
    assert await finish(provider, await approve(await begin(provider))) == somebody
    assert front.count(USER_INFO) == 1


@pytest.mark.parametrize(
    ("claims", "email", "verified"),
    [
        ({"email_verified": True}, "ada@acme.test", True),
        ({"email_verified": "true"}, "ada@acme.test", True),
        ({"email_verified": False}, "ada@acme.test", False),
        ({"email_verified": "yes"}, "ada@acme.test", False),
        ({"email_verified": 1}, "ada@acme.test", False),
        ({"email_verified": None}, "ada@acme.test", False),
        ({"email": "no address"}, None, False),
        ({"email": ["ada@acme.test"]}, None, False),
        ({"email": "ad\N{LATIN SMALL LETTER DOTLESS I}a@acme.test"}, None, False),
        ({"email": "\N{KELVIN SIGN}ada@acme.test"}, None, False),
    ],
)
async def test_only_an_address_that_the_provider_verified_counts_as_verified(
    provider: OpenIdProvider,
    forger: Forger,
    approve: Approve,
    claims: dict[str, Any],
    email: str | None,
    verified: bool,
) -> None:
    forger.sign_anew(lambda given: {**given, **claims})
    identity = await finish(provider, await approve(await begin(provider)))
    assert (identity.email, identity.email_verified) == (email, verified)


async def test_what_the_provider_publishes_is_kept_for_an_hour(
    provider: OpenIdProvider, front: Front, approve: Approve, clock: FakeClock
) -> None:
    for _ in range(3):
        await finish(provider, await approve(await begin(provider)))
    assert (front.count(DISCOVERY), front.count(KEYS)) == (1, 1)
    clock.advance(3599)
    await begin(provider)
    assert front.count(DISCOVERY) == 1
    clock.advance(1)
    await begin(provider)
    assert front.count(DISCOVERY) == 2


async def test_a_new_key_is_found_and_unknown_ones_do_not_make_us_ask_all_the_time(
    provider: OpenIdProvider,
    front: Front,
    forger: Forger,
    approve: Approve,
    clock: FakeClock,
    somebody: ExternalIdentity,
) -> None:
    forger.sign_anew()
    assert await finish(provider, await approve(await begin(provider))) == somebody
    forger.published[0]["kid"] = "rotated"
    forger.sign_anew(kid="rotated")
    with pytest.raises(Exception, match="did not confirm"):
        await finish(provider, await approve(await begin(provider)))
    assert front.count(KEYS) == 1  # asked less than a minute ago
    clock.advance(60)
    assert await finish(provider, await approve(await begin(provider))) == somebody
    assert front.count(KEYS) == 2


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}
