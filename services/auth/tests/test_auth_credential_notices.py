"""Whoever answers for a credential hears of it at once: a stolen token makes none in secret."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.domain.api_key_updates import ApiKeyUpdate
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.oauth_clients import ClientRequest, GrantType
from headrace_auth.domain.principal import Scope
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import ADMIN, MEMBER, OWNER, SERVICE, Person
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.api_keys.signing_credentials import SigningCredentials
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_auth.use_cases.oauth.manage_clients import ClientManager
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

REQUEST = ApiKeyRequest("nightly", frozenset({Scope.LLM_INVOKE}), (), None, ())
OF_SERVICE = replace(REQUEST, user_id=SERVICE.user_id)
APPLICATION = ClientRequest(
    name="Notebook",
    redirect_uris=("https://app.example/callback",),
    grant_types=frozenset({GrantType.AUTHORIZATION_CODE}),
    scopes=frozenset({Scope.LLM_INVOKE}),
)


@pytest.fixture
async def directory(store: MemoryStore) -> MemoryStore:
    if not store.rows:
        await seed(store, "hash")
    return store


@pytest.fixture
def notices(mailer: MemoryMailer) -> CredentialNotices:
    return credential_notices(mailer)


@pytest.fixture
def keys(acts: Acts, notices: CredentialNotices) -> KeyManager:
    return KeyManager(acts, notices)


@pytest.fixture
def changer(acts: Acts, notices: CredentialNotices) -> KeyChanger:
    return KeyChanger(acts, notices)


async def somewhere(store: MemoryStore, person: Person) -> Caller:
    return replace(await caller_of(store, person), source_address="198.51.100.9")


def told(mailer: MemoryMailer) -> list[tuple[str, str]]:
    return [(mail.to, mail.subject) for mail in mailer.sent]


async def test_who_makes_a_key_is_told_all_but_the_secret(
    directory: MemoryStore, keys: KeyManager, mailer: MemoryMailer, clock: FakeClock
) -> None:
    created = await keys.create(await somewhere(directory, MEMBER), REQUEST)
    [mail] = mailer.sent
    assert (mail.to, mail.subject) == (MEMBER.email, "API key was made")
    for part in (
        "An API key of your account was made.",
        'Name: "nightly"',
        f"Id: {created.text.api_key_id}",
        "May: llm:invoke",
        f"When: {clock.now():%Y-%m-%d %H:%M:%S} UTC",
        "From: 198.51.100.9",
        f"`headrace keys revoke {created.text.api_key_id}`",
        "tell your administrator",
    ):
        assert part in mail.text
    assert created.text.secret not in mail.text
    assert created.text.reveal() not in mail.text


async def test_a_key_that_is_refused_is_told_to_nobody(
    directory: MemoryStore, keys: KeyManager, mailer: MemoryMailer
) -> None:
    request = replace(REQUEST, scopes=frozenset({Scope.ORGANIZATION_WRITE}))
    with pytest.raises(HeadraceError):
        await keys.create(await somewhere(directory, MEMBER), request)
    assert mailer.sent == []


async def test_a_signing_key_is_told_without_its_secret(
    directory: MemoryStore, acts: Acts, notices: CredentialNotices, mailer: MemoryMailer
) -> None:
    credentials = SigningCredentials(acts, Sealer(b"k" * 32), notices)
    caller = await somewhere(directory, MEMBER)
    made = await credentials.create(caller, REQUEST, algorithm="hmac-sha256", public_key="")
    [mail] = mailer.sent
    assert (mail.to, mail.subject) == (MEMBER.email, "Signing key was made")
    assert made.secret is not None
    assert made.secret.reveal() not in mail.text


async def test_a_new_secret_is_told_to_whose_key_it_is(
    directory: MemoryStore, keys: KeyManager, changer: KeyChanger, mailer: MemoryMailer
) -> None:
    member = await somewhere(directory, MEMBER)
    created = await keys.create(member, REQUEST)
    rotated = await changer.rotate(member, created.text.api_key_id, timedelta(0))
    assert told(mailer)[1:] == [(MEMBER.email, "API key was given a new secret")]
    assert rotated.text.secret not in mailer.sent[-1].text


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({"allowed_networks": ("::/0",)}, True),
        ({"scopes": frozenset({Scope.MODELS_READ})}, True),
        ({"allowed_models": ("smollm2",)}, True),
        ({"name": "weekly"}, False),
        ({"allowed_networks": ()}, False),
    ],
)
async def test_a_key_that_may_do_other_things_is_told_to_whose_it_is(
    directory: MemoryStore,
    keys: KeyManager,
    changer: KeyChanger,
    mailer: MemoryMailer,
    fields: dict[str, object],
    is_told: bool,
) -> None:
    created = await keys.create(await somewhere(directory, MEMBER), REQUEST)
    admin = await somewhere(directory, ADMIN)
    await changer.update(admin, created.text.api_key_id, ApiKeyUpdate(fields))
    news = [(MEMBER.email, "API key may do other things now")]
    assert told(mailer)[1:] == (news if is_told else [])


async def test_of_a_service_accounts_key_the_person_is_told_who_made_it(
    directory: MemoryStore, keys: KeyManager, changer: KeyChanger, mailer: MemoryMailer
) -> None:
    created = await keys.create(await somewhere(directory, ADMIN), OF_SERVICE)
    await changer.rotate(await somewhere(directory, OWNER), created.text.api_key_id, timedelta(0))
    assert told(mailer) == [
        (ADMIN.email, "API key was made"),
        (OWNER.email, "API key was given a new secret"),
    ]
    assert "of the service account" in mailer.sent[0].text


async def test_no_program_makes_a_key_that_nobody_is_told_of(
    directory: MemoryStore, keys: KeyManager, mailer: MemoryMailer
) -> None:
    program = await somewhere(directory, SERVICE)
    everything = replace(program.identified(), scopes=frozenset(Scope))
    with pytest.raises(HeadraceError) as caught:
        await keys.create(replace(program, principal=everything), REQUEST)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert mailer.sent == []


async def test_an_application_and_its_new_secret_are_told_to_who_made_them(
    directory: MemoryStore, acts: Acts, notices: CredentialNotices, mailer: MemoryMailer
) -> None:
    clients, admin = ClientManager(acts, notices), await somewhere(directory, ADMIN)
    created = await clients.create(admin, APPLICATION)
    rotated = await clients.rotate_secret(admin, created.client.client_id)
    assert told(mailer) == [
        (ADMIN.email, "Application was made"),
        (ADMIN.email, "Application was given a new secret"),
    ]
    for mail, secret in zip(mailer.sent, (created.secret, rotated.secret), strict=True):
        assert f"headrace oauth-clients revoke {created.client.client_id}" in mail.text
        assert secret not in mail.text
