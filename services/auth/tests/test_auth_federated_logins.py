"""To the identity provider and back: who is sent where, with what, and which tricks fail."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from headrace_auth.adapters.unfinished_logins import MemoryUnfinishedLogins
from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.lockout import BROWSER_POLICY
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.pending_login import LOGIN_SECONDS, s256_challenge
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.testing.accounts import HERE
from headrace_auth.testing.directory import HOMELESS, MEMBER, OWNER
from headrace_auth.testing.federation import (
    ADA,
    FRONT_END,
    OTHER_FRONT_END,
    OTHER_PROVIDER,
    PROVIDER,
    VERIFIER,
    FederationWorld,
    federation_world,
    state_of,
)
from headrace_auth.use_cases.federation.federated_logins import Begun
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

CHALLENGE = s256_challenge(VERIFIER)


async def _expect_refused_state(
    world: FederationWorld, provider: str, state: str, code: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await world.logins.complete(HERE, provider, state, code=code)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "state")
    assert caught.value.message == "state: not valid, used already or expired; begin again"


async def test_the_way_back_leads_to_the_front_end_with_a_code(
    federation: FederationWorld,
) -> None:
    landing = await federation.land(await federation.start())
    assert landing.redirect_uri == FRONT_END
    assert landing.refusal is None
    assert opaque_secrets.parse(TokenPrefix.LOGIN_CODE, landing.login_code) is not None
    assert landing.login_code not in repr(landing)


async def test_the_way_back_changes_nothing(federation: FederationWorld) -> None:
    before = await federation.counts(), await federation.events()
    await federation.land(await federation.start())
    assert (await federation.counts(), await federation.events()) == before


async def test_one_address_cannot_begin_logins_without_end(
    federation: FederationWorld, clock: FakeClock
) -> None:
    begun = Begun(PROVIDER, FRONT_END, CHALLENGE)
    for _ in range(BROWSER_POLICY.free_failures + 1):
        await federation.logins.start(HERE, begun)
    with pytest.raises(HeadraceError) as caught:
        await federation.logins.start(HERE, begun)
    assert caught.value.reason is Reason.REQUEST_RATE_LIMITED
    await federation.logins.start(replace(HERE, source_address="192.0.2.8"), begun)
    clock.advance(BROWSER_POLICY.maximum_wait_seconds)
    await federation.logins.start(HERE, begun)


async def test_each_login_has_secrets_of_its_own(federation: FederationWorld) -> None:
    queries = [parse_qs(urlsplit(await federation.start()).query) for _ in range(3)]
    for name in ("state", "nonce", "code_challenge"):
        values = {query[name][0] for query in queries}
        assert len(values) == 3
        assert all(len(value) == 43 for value in values)
    assert CHALLENGE not in {query["code_challenge"][0] for query in queries}


async def test_the_callback_is_this_installations_own(federation: FederationWorld) -> None:
    query = parse_qs(urlsplit(await federation.start()).query)
    assert query["redirect_uri"] == [f"https://headrace.test/oauth2/{PROVIDER}/callback"]


@pytest.mark.parametrize("provider", ["", "nobody", "Globodex", "globodex/", "../github", "\0"])
async def test_an_unknown_provider_does_not_exist(
    federation: FederationWorld, provider: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await federation.logins.start(HERE, Begun(provider, FRONT_END, CHALLENGE))
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "",
        FRONT_END + "&",
        FRONT_END + "#",
        FRONT_END + "/../x",
        FRONT_END.replace("?from=login", ""),
        FRONT_END.upper(),
        FRONT_END.replace("https", "http"),
        FRONT_END.replace("app.acme.test", "app.acme.test:443"),
        FRONT_END.replace("app.acme.test", "app.acme.test@evil.test"),
        FRONT_END.replace("app.acme.test", "app.acme.test.evil.test"),
        FRONT_END.replace("/welcome", "//welcome"),
        " " + FRONT_END,
        FRONT_END + "\n",
        "//evil.test",
        "javascript:alert(1)",
        f"{FRONT_END} {OTHER_FRONT_END}",
    ],
)
async def test_a_redirect_uri_is_compared_to_the_letter(
    federation: FederationWorld, redirect_uri: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await federation.logins.start(HERE, Begun(PROVIDER, redirect_uri, CHALLENGE))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "redirect_uri")
    assert "evil" not in caught.value.message


@pytest.mark.parametrize(
    "challenge", ["", VERIFIER + "v", CHALLENGE + "=", CHALLENGE[:-1] + "+", "\N{SNOWMAN}" * 43]
)
async def test_without_a_proper_challenge_no_login_begins(
    federation: FederationWorld, challenge: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await federation.logins.start(HERE, Begun(PROVIDER, FRONT_END, challenge))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "code_challenge")


async def test_a_provider_that_is_down_is_an_outage_at_the_start(
    federation: FederationWorld,
) -> None:
    federation.provider.down = True
    with pytest.raises(HeadraceError) as caught:
        await federation.start()
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_state_is_good_once(federation: FederationWorld) -> None:
    url = await federation.start()
    await federation.land(url)
    again = federation.provider.approve(url, ADA)
    await _expect_refused_state(federation, PROVIDER, state_of(url), again)


async def test_a_state_expires(federation: FederationWorld, clock: FakeClock) -> None:
    url = await federation.start()
    clock.advance(LOGIN_SECONDS)
    code = federation.provider.approve(url, ADA)
    await _expect_refused_state(federation, PROVIDER, state_of(url), code)


@pytest.mark.parametrize("state", ["", "x", "s" * 43, "\N{SNOWMAN}"])
async def test_an_invented_state_leads_nowhere(federation: FederationWorld, state: str) -> None:
    code = federation.provider.approve(await federation.start(), ADA)
    await _expect_refused_state(federation, PROVIDER, state, code)
    assert await federation.refusals() == []  # strangers do not fill the audit


async def test_a_state_is_worthless_at_another_provider_and_burnt(
    federation: FederationWorld,
) -> None:
    url = await federation.start()
    code = federation.provider.approve(url, ADA)
    await _expect_refused_state(federation, OTHER_PROVIDER, state_of(url), code)
    assert await federation.refusals() == [
        ("federated_login_refused.wrong_provider", f"identity_provider:{PROVIDER}")
    ]
    await _expect_refused_state(federation, PROVIDER, state_of(url), code)


async def test_a_code_of_one_login_is_worthless_in_another(federation: FederationWorld) -> None:
    mine, theirs = await federation.start(), await federation.start()
    stolen = federation.provider.approve(theirs, ADA)
    landing = await federation.logins.complete(HERE, PROVIDER, state_of(mine), code=stolen)
    assert (landing.login_code, landing.refusal) == ("", LoginRefusal.NOT_CONFIRMED)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ("access_denied", LoginRefusal.ACCESS_DENIED),
        ("temporarily_unavailable", LoginRefusal.TEMPORARILY_UNAVAILABLE),
        ("server_error", LoginRefusal.TEMPORARILY_UNAVAILABLE),
        ("invalid_scope", LoginRefusal.NOT_CONFIRMED),
        ("<script>alert(1)</script>", LoginRefusal.NOT_CONFIRMED),
        ("", LoginRefusal.NOT_CONFIRMED),  # and no code
    ],
)
async def test_a_providers_error_becomes_one_of_ours(
    federation: FederationWorld, error: str, refusal: LoginRefusal
) -> None:
    state = state_of(await federation.start())
    landing = await federation.logins.complete(HERE, PROVIDER, state, error=error)
    assert (landing.redirect_uri, landing.refusal) == (FRONT_END, refusal)


async def test_an_error_beside_a_code_counts(federation: FederationWorld) -> None:
    url = await federation.start()
    code = federation.provider.approve(url, ADA)
    landing = await federation.logins.complete(
        HERE, PROVIDER, state_of(url), code=code, error="access_denied"
    )
    assert landing.refusal is LoginRefusal.ACCESS_DENIED
    assert await federation.refusals() == [
        ("federated_login_refused.access_denied", f"identity_provider:{PROVIDER}")
    ]


async def test_a_provider_that_goes_down_meanwhile_is_told_to_the_front_end(
    federation: FederationWorld,
) -> None:
    url = await federation.start()
    federation.provider.down = True
    landing = await federation.land(url)
    assert landing.refusal is LoginRefusal.TEMPORARILY_UNAVAILABLE
    assert await federation.refusals() == []


async def test_a_store_that_goes_down_meanwhile_is_told_to_the_front_end(
    federation: FederationWorld,
) -> None:
    class Down(MemoryUnfinishedLogins[ProvenLogin]):
        async def put(self, secret: str, data: ProvenLogin, seconds: int) -> None:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the store does not answer")

    accounts = federation.accounts
    world = federation_world(accounts, codes=Down(accounts.clock))
    landing = await world.land(await world.start())
    assert landing.refusal is LoginRefusal.TEMPORARILY_UNAVAILABLE


@pytest.mark.parametrize(
    ("identity", "mode", "refusal"),
    [
        (
            replace(ADA, email_verified=False),
            RegistrationMode.OPEN,
            LoginRefusal.EMAIL_NOT_VERIFIED,
        ),
        (
            replace(ADA, email=None, email_verified=False),
            RegistrationMode.OPEN,
            LoginRefusal.EMAIL_NOT_VERIFIED,
        ),
        (replace(ADA, email=OWNER.email), RegistrationMode.OPEN, LoginRefusal.PASSWORD_ACCOUNT),
        (ADA, RegistrationMode.INVITATION, LoginRefusal.REGISTRATION_CLOSED),
        (ADA, RegistrationMode.CLOSED, LoginRefusal.REGISTRATION_CLOSED),
    ],
)
async def test_who_is_refused_learns_why_at_once_and_the_audit_too(
    federation: FederationWorld,
    identity: ExternalIdentity,
    mode: RegistrationMode,
    refusal: LoginRefusal,
) -> None:
    world = federation_world(federation.accounts, mode)
    before = await world.counts()
    landing = await world.land(await world.start(), identity)
    assert (landing.refusal, landing.login_code) == (refusal, "")
    assert await world.refusals() == [
        (f"federated_login_refused.{refusal}", f"linked_identity:{PROVIDER}:ada")
    ]
    assert await world.counts() == before


async def test_an_address_that_nobody_confirmed_is_not_taken_over(
    federation: FederationWorld,
) -> None:
    squatter = {"password_hash": None, "email_verified_at": None}
    await federation.change_user(MEMBER.user_id, **squatter)
    landing = await federation.land(await federation.start(), replace(ADA, email=MEMBER.email))
    assert landing.refusal is LoginRefusal.ACCOUNT_NOT_VERIFIED


async def test_disabled_and_homeless_users_are_refused(federation: FederationWorld) -> None:
    await federation.change_user(MEMBER.user_id, password_hash=None)
    await federation.log_in(replace(ADA, email=MEMBER.email))
    await federation.change_user(MEMBER.user_id, disabled_at=federation.accounts.clock.now())
    disabled = await federation.land(await federation.start(), ADA)
    assert disabled.refusal is LoginRefusal.ACCOUNT_DISABLED
    await federation.change_user(HOMELESS.user_id, password_hash=None)
    homeless = replace(ADA, subject="nobody", email=HOMELESS.email)
    landing = await federation.land(await federation.start(), homeless)
    assert landing.refusal is LoginRefusal.NO_ORGANIZATION
