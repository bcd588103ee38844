"""Questions to people: who may answer, once, and that an answer is as good as a login."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from pyotp import TOTP

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.composition.identity import Identity
from headrace_auth.composition.oauth import create_stored_oauth
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.second_factor import new_secret
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    BROWSER_POLICY,
    LoginFailures,
    account_subject,
)
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationCode, AuthorizationRequest
from headrace_auth.domain.principal import Scope
from headrace_auth.domain.sessions import SecondFactor
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.errors import AuthorizationError, ErrorCode
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import (
    ACME,
    AUDITOR,
    CREATED_AT,
    HOMELESS,
    MEMBER,
    OUTSIDER,
    PASSWORD,
    SERVICE,
)
from headrace_auth.testing.oauth_flow import (
    VERIFIER,
    authorization_request,
    pairs,
    parameters_of,
)
from headrace_auth.testing.oauth_world import NATIVE, SECRET, WEB, WEB_REDIRECT
from headrace_auth.testing.refusals import refused
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.logins.second_factors import sealing_name
from headrace_auth.use_cases.oauth.client_authorizations import Answer, ClientAuthorizations
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_common.errors import Reason
from headrace_common.testing.clock import FakeClock

HERE = Caller(source_address="192.0.2.7")
ServerFor = Callable[[Caller], OAuthServer]


@pytest.fixture
async def server_for(
    identity: Identity, rotation: SigningKeyRotation, clock: FakeClock
) -> AsyncIterator[ServerFor]:
    oauth = create_stored_oauth(identity)
    bridge = Bridge(threads=2, maximum_pending=16, port_seconds=5.0)
    yield lambda caller: OAuthServer(
        oauth.ports(caller), bridge, clock, issuer="https://headrace.test"
    )
    await bridge.close()


@pytest.fixture
async def consent(
    identity: Identity, store: MemoryStore, server_for: ServerFor
) -> ClientAuthorizations:
    async with store.begin() as transaction:
        for client in (WEB, NATIVE):
            await transaction.of(OAuthClient).add(client)
    return ClientAuthorizations(
        identity.acts, identity.login, identity.throttles.browsers, server_for
    )


@pytest.fixture
async def asked(consent: ClientAuthorizations) -> str:
    """The id of an open question."""
    return (await consent.ask(HERE, authorization_request())).authorization_id


async def allow(
    consent: ClientAuthorizations,
    asked: str,
    email: str = MEMBER.email,
    password: str = PASSWORD,
    code: str = "",
) -> Answer:
    return await consent.allow(HERE, asked, email=email, password=password, code=code)


async def test_a_question_says_who_asks_and_for_what(consent: ClientAuthorizations) -> None:
    question = await consent.ask(HERE, authorization_request())
    assert question.organization_name == "acme"
    assert question.pending.client_name == WEB.name
    assert question.pending.scopes == {Scope.LLM_INVOKE, Scope.MODELS_READ}
    assert question.authorization_id not in repr(question)
    assert await consent.look_up(HERE, question.authorization_id) == question


async def test_nothing_that_the_browser_has_is_in_the_store(
    consent: ClientAuthorizations, store: MemoryStore
) -> None:
    question = await consent.ask(HERE, authorization_request())
    [kept] = store.rows[AuthorizationRequest].values()
    assert question.authorization_id not in str(kept)
    assert question.authorization_id.encode() != kept.request_sha256


async def test_one_address_cannot_fill_the_store(
    consent: ClientAuthorizations, store: MemoryStore, clock: FakeClock
) -> None:
    most = BROWSER_POLICY.free_failures + 1
    for _ in range(most):
        await consent.ask(HERE, authorization_request())
    assert await refused(consent.ask(HERE, authorization_request())) is Reason.REQUEST_RATE_LIMITED
    assert len(store.rows[AuthorizationRequest]) == most
    await consent.ask(Caller(source_address="192.0.2.8"), authorization_request())
    # Who is really there waits for a moment only, however many were asked for.
    for _ in range(5):
        clock.advance(BROWSER_POLICY.maximum_wait_seconds)
        await consent.ask(HERE, authorization_request())


async def test_a_wrong_request_keeps_nothing(
    consent: ClientAuthorizations, store: MemoryStore
) -> None:
    assert await refused(consent.ask(HERE, authorization_request(client_id="x"))) is (
        Reason.INVALID_FIELD
    )
    with pytest.raises(AuthorizationError) as caught:
        await consent.ask(HERE, authorization_request(code_challenge=None))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert not store.rows.get(AuthorizationRequest)


async def test_a_yes_brings_a_code_that_works(
    consent: ClientAuthorizations, asked: str, server_for: ServerFor, store: MemoryStore
) -> None:
    allowed = await allow(consent, asked)
    assert (allowed.client_id, allowed.user_id) == (WEB.client_id, MEMBER.user_id)
    told = parameters_of(allowed.location)
    assert (told["state"], told["iss"]) == ("state of the client", "https://headrace.test")
    assert told["code"] not in repr(allowed)
    form = {
        "grant_type": "authorization_code",
        "code": told["code"],
        "redirect_uri": WEB_REDIRECT,
        "code_verifier": VERIFIER,
        "client_id": WEB.client_id,
        "client_secret": SECRET,
    }
    request = replace(authorization_request(), query=(), form=pairs(dict(form)))
    response = await server_for(HERE).token(request)
    assert response.status == 200
    assert response.body["scope"] == "llm:invoke models:read"
    [code] = store.rows[AuthorizationCode].values()
    assert code.used_at is not None


async def test_it_is_answered_once(consent: ClientAuthorizations, asked: str) -> None:
    results = await asyncio.gather(
        *(allow(consent, asked) for _ in range(4)), return_exceptions=True
    )
    assert len([each for each in results if isinstance(each, Answer)]) == 1
    for again in (allow(consent, asked), consent.deny(HERE, asked), consent.look_up(HERE, asked)):
        assert await refused(again) is Reason.RESOURCE_NOT_FOUND


async def test_a_no_is_an_answer(consent: ClientAuthorizations, asked: str) -> None:
    denied = await consent.deny(HERE, asked)
    assert (denied.client_id, denied.user_id) == (WEB.client_id, "")
    told = parameters_of(denied.location)
    assert (told["error"], told["state"]) == ("access_denied", "state of the client")
    assert await refused(allow(consent, asked)) is Reason.RESOURCE_NOT_FOUND


async def test_it_waits_for_ten_minutes(
    consent: ClientAuthorizations, asked: str, clock: FakeClock
) -> None:
    clock.advance(599)
    await consent.look_up(HERE, asked)
    clock.advance(1)
    assert await refused(consent.look_up(HERE, asked)) is Reason.RESOURCE_NOT_FOUND
    assert await refused(allow(consent, asked)) is Reason.RESOURCE_NOT_FOUND
    assert await refused(consent.deny(HERE, asked)) is Reason.RESOURCE_NOT_FOUND


@pytest.mark.parametrize("guess", ["", "x", "ü", "a\x00b", "0" * 43])
async def test_an_id_cannot_be_guessed(
    consent: ClientAuthorizations, asked: str, guess: str, store: MemoryStore
) -> None:
    assert await refused(allow(consent, guess)) is Reason.RESOURCE_NOT_FOUND
    # And nobody's password was looked at for it.
    assert (account_subject(MEMBER.email),) not in store.rows[LoginFailures]
    await consent.look_up(HERE, asked)


@pytest.mark.parametrize(
    ("email", "password"),
    [(MEMBER.email, "wrong"), ("nobody@acme.test", PASSWORD), (SERVICE.email, PASSWORD)],
)
async def test_a_wrong_password_leaves_the_question_open_and_counts(
    consent: ClientAuthorizations, asked: str, email: str, password: str
) -> None:
    wrong = (
        allow(consent, asked, email, password) for _ in range(ACCOUNT_POLICY.free_failures + 1)
    )
    for attempt in wrong:
        assert await refused(attempt) is Reason.LOGIN_FAILED
    assert await refused(allow(consent, asked, email, password)) is Reason.LOGIN_THROTTLED
    await consent.look_up(HERE, asked)


async def test_the_right_password_forgives_what_was_wrong(
    consent: ClientAuthorizations, asked: str, login: Login, store: MemoryStore
) -> None:
    await refused(login.log_in(HERE, MEMBER.email, "wrong"))
    await allow(consent, asked)
    assert not [each for each in store.rows[LoginFailures] if "account" in str(each)]


async def test_the_second_factor_is_asked_for_and_used_up(
    consent: ClientAuthorizations, asked: str, store: MemoryStore, sealer: Sealer, clock: FakeClock
) -> None:
    secret = new_secret()
    sealed = sealer.seal(secret.encode(), sealing_name(MEMBER.user_id))
    factor = SecondFactor(MEMBER.user_id, sealed, CREATED_AT, confirmed_at=CREATED_AT)
    async with store.begin() as transaction:
        await transaction.of(SecondFactor).add(factor)
    code = TOTP(secret).at(clock.now())
    assert await refused(allow(consent, asked)) is Reason.SECOND_FACTOR_REQUIRED
    assert await refused(allow(consent, asked, code="000000")) is Reason.LOGIN_FAILED
    assert (await allow(consent, asked, code=code)).user_id == MEMBER.user_id
    another = (await consent.ask(HERE, authorization_request())).authorization_id
    assert await refused(allow(consent, another, code=code)) is Reason.LOGIN_FAILED


async def test_an_unconfirmed_address_allows_nothing(
    consent: ClientAuthorizations, asked: str, store: MemoryStore
) -> None:
    async with store.begin() as transaction:
        user = await transaction.of(User).get(MEMBER.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, email_verified_at=None))
    assert await refused(allow(consent, asked)) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("stranger", [OUTSIDER, HOMELESS])
async def test_strangers_to_the_organisation_cannot_answer(
    consent: ClientAuthorizations, asked: str, stranger: object
) -> None:
    email = getattr(stranger, "email", "")
    assert await refused(allow(consent, asked, email)) is Reason.PERMISSION_DENIED
    assert (await allow(consent, asked)).organization_id == ACME


async def test_a_yes_that_gives_nothing_tells_the_application_so(
    consent: ClientAuthorizations, store: MemoryStore
) -> None:
    question = await consent.ask(HERE, authorization_request(scope="llm:invoke"))
    # An auditor may invoke no model.
    allowed = await allow(consent, question.authorization_id, AUDITOR.email)
    assert parameters_of(allowed.location)["error"] == "invalid_scope"
    assert not store.rows.get(AuthorizationCode)


async def test_a_client_that_was_revoked_meanwhile_gets_nothing(
    consent: ClientAuthorizations, asked: str, store: MemoryStore, clock: FakeClock
) -> None:
    async with store.begin() as transaction:
        await transaction.of(OAuthClient).put(replace(WEB, revoked_at=clock.now()))
    assert await refused(allow(consent, asked)) is Reason.INVALID_FIELD
    assert not store.rows.get(AuthorizationCode)


@pytest.mark.parametrize(
    ("email", "password"), [("", ""), ("", PASSWORD), (MEMBER.email, ""), (MEMBER.email, "wrong")]
)
async def test_a_login_elsewhere_answers_nothing_without_the_password(
    consent: ClientAuthorizations, asked: str, store: MemoryStore, email: str, password: str
) -> None:
    caller = await caller_of(store, MEMBER)
    answer = consent.allow(caller, asked, email=email, password=password, code="")
    assert await refused(answer) in {Reason.INVALID_FIELD, Reason.LOGIN_FAILED}
    assert not store.rows.get(AuthorizationCode)
    await consent.look_up(HERE, asked)
