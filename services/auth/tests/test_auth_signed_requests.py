"""Keys that sign: how they are made, and which signed requests are whose."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.adapters.memory_nonces import MemoryNonces
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.domain.api_keys import ApiKeyText, mint
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import CredentialKind, LimitKind, Scope
from headrace_auth.domain.revocation_ids import api_key_revocation
from headrace_auth.domain.signed_requests import WINDOW, SignedRequest
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import ACME, ADMIN, AUDITOR, MEMBER, SERVICE
from headrace_auth.testing.notices import credential_notices
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.api_keys.signing_credentials import (
    CreatedSigningCredential,
    SigningCredentials,
)
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.credentials.resolve_signed import SignedRequestResolver
from headrace_common.errors import HeadraceError, Reason, credential_invalid
from headrace_common.testing.clock import FakeClock

REQUEST = ApiKeyRequest(
    "signer",
    frozenset({Scope.LLM_INVOKE}),
    ("smollm2",),
    None,
    ((LimitKind.REQUESTS_PER_MINUTE, 5),),
    ("10.0.0.0/8",),
)
BASE = b'"@method": POST\n"@signature-params": ("@method");nonce="n"'
EDWARDS, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
Sign = Callable[[bytes], bytes]


def _pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def _sign_p256(base: bytes) -> bytes:
    r, s = utils.decode_dss_signature(P256.sign(base, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _sign_hmac(secret: str) -> Sign:
    def sign(base: bytes) -> bytes:
        mac = hmac.HMAC(secret.encode(), hashes.SHA256())
        mac.update(base)
        return mac.finalize()

    return sign


@dataclass
class Signer:
    """A key that signs, and how its holder does it."""

    created: CreatedSigningCredential
    algorithm: str
    sign: Sign

    @property
    def view(self) -> ApiKeyView:
        return self.created.view

    def request(self, clock: FakeClock, nonce: str = "n", **changes: Any) -> SignedRequest:
        request = SignedRequest(
            key_id=self.view.key.api_key_id,
            algorithm=self.algorithm,
            signature_base=BASE,
            signature=self.sign(BASE),
            created=clock.now(),
            nonce=nonce,
        )
        return replace(request, **changes)


@pytest.fixture
def credentials(acts: Acts) -> SigningCredentials:
    return SigningCredentials(acts, Sealer(b"k" * 32), credential_notices())


@pytest.fixture
def nonces(clock: FakeClock) -> MemoryNonces:
    return MemoryNonces(clock)


@pytest.fixture
def signed(store: MemoryStore, nonces: MemoryNonces, clock: FakeClock) -> SignedRequestResolver:
    return SignedRequestResolver(store, Sealer(b"k" * 32), nonces, clock)


@pytest.fixture(params=["ed25519", "ecdsa-p256-sha256", "hmac-sha256"])
async def signer(
    request: pytest.FixtureRequest, store: MemoryStore, credentials: SigningCredentials
) -> Signer:
    algorithm, caller = request.param, await caller_of(store, MEMBER)
    public_key = {"ed25519": _pem(EDWARDS), "ecdsa-p256-sha256": _pem(P256)}.get(algorithm, "")
    created = await credentials.create(caller, REQUEST, algorithm=algorithm, public_key=public_key)
    secret = created.secret.reveal() if created.secret else ""
    signs: dict[str, Sign] = {"ed25519": EDWARDS.sign, "ecdsa-p256-sha256": _sign_p256}
    return Signer(created, algorithm, signs.get(algorithm, _sign_hmac(secret)))


async def _expect_refusal(signed: SignedRequestResolver, request: SignedRequest) -> None:
    with pytest.raises(HeadraceError) as caught:
        await signed.resolve(request)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    assert caught.value.message == credential_invalid().message


async def test_who_signs_is_the_keys_principal(
    signer: Signer, signed: SignedRequestResolver, clock: FakeClock
) -> None:
    principal = await signed.resolve(signer.request(clock))
    key_id = signer.view.key.api_key_id
    assert principal.credential_kind is CredentialKind.SIGNATURE
    assert (principal.credential_id, principal.member.user_id) == (key_id, MEMBER.user_id)
    assert principal.scopes == {Scope.LLM_INVOKE}
    assert principal.allowed_models == ("smollm2",)
    assert principal.allowed_networks == ("10.0.0.0/8",)
    assert signer.view.limits[0] in principal.limits
    assert {key_id, api_key_revocation(key_id, 1)} <= set(principal.revocation_ids)


async def test_the_request_need_not_name_the_algorithm(
    signer: Signer, signed: SignedRequestResolver, clock: FakeClock
) -> None:
    await signed.resolve(signer.request(clock, algorithm=""))
    await _expect_refusal(signed, signer.request(clock, nonce="2", algorithm="rsa-pss-sha512"))


async def test_a_request_is_good_once(
    signer: Signer, signed: SignedRequestResolver, clock: FakeClock
) -> None:
    request = signer.request(clock)
    await signed.resolve(request)
    await _expect_refusal(signed, request)
    # For as long as it would be timely, by clocks that differ.
    early = signer.request(clock, nonce="early", created=clock.now() + WINDOW)
    await signed.resolve(early)
    for _ in range(20):
        clock.advance(30)
        await _expect_refusal(signed, early)


@pytest.mark.parametrize(
    "change",
    [
        {"signature_base": BASE + b" "},
        {"signature_base": b""},
        {"signature": b""},
        {"signature": b"\0" * 64},
        {"key_id": mint(b"s" * 44).api_key_id},
        {"key_id": ""},
        {"key_id": "\0" * 17},
        {"nonce": ""},
        {"nonce": "x" * 129},
        {"signature_base": b"x" * 65_537},
    ],
)
async def test_what_was_not_signed_is_refused_and_burns_no_nonce(
    signer: Signer, signed: SignedRequestResolver, clock: FakeClock, change: dict[str, Any]
) -> None:
    await _expect_refusal(signed, signer.request(clock, **change))
    await signed.resolve(signer.request(clock))


@pytest.mark.parametrize(("seconds", "timely"), [(300, True), (301, False)])
async def test_only_the_window_counts(
    signer: Signer,
    signed: SignedRequestResolver,
    clock: FakeClock,
    seconds: int,
    timely: bool,
) -> None:
    for sign in (1, -1):
        created = clock.now() + timedelta(seconds=sign * seconds)
        request = signer.request(clock, nonce=f"{sign}", created=created)
        if timely:
            await signed.resolve(request)
        else:
            await _expect_refusal(signed, request)


async def test_while_nonces_cannot_be_remembered_nobody_is_believed_or_refused(
    signer: Signer, signed: SignedRequestResolver, nonces: MemoryNonces, clock: FakeClock
) -> None:
    nonces.unavailable = True
    with pytest.raises(HeadraceError) as caught:
        await signed.resolve(signer.request(clock))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await _expect_refusal(signed, signer.request(clock, signature=b"forged"))
    nonces.unavailable = False
    await signed.resolve(signer.request(clock))


async def test_a_key_that_has_ended_signs_nothing(
    signer: Signer,
    signed: SignedRequestResolver,
    store: MemoryStore,
    key_manager: KeyManager,
    clock: FakeClock,
) -> None:
    await key_manager.revoke(await caller_of(store, MEMBER), signer.view.key.api_key_id)
    await _expect_refusal(signed, signer.request(clock))


async def test_the_key_of_someone_who_left_or_is_disabled_signs_nothing(
    signer: Signer, signed: SignedRequestResolver, store: MemoryStore, clock: FakeClock
) -> None:
    async with store.begin() as transaction:
        user = await transaction.of(User).get(MEMBER.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, disabled_at=clock.now()))
    await _expect_refusal(signed, signer.request(clock))
    async with store.begin() as transaction:
        await transaction.of(User).put(user)
        await transaction.of(Membership).remove(MEMBER.user_id, ACME)
    await _expect_refusal(signed, signer.request(clock))


async def test_a_key_that_signs_is_never_a_bearer(
    signer: Signer, resolver: CredentialResolver
) -> None:
    key = signer.view.key
    assert key.secret_sha256 is None
    secret = signer.created.secret
    texts = [ApiKeyText(key.api_key_id, part) for part in ("0" * 43, mint(b"s" * 44).secret)]
    shown = [text.reveal() for text in texts] + ([secret.reveal(), secret.secret] if secret else [])
    if secret:
        shown.append(ApiKeyText(key.api_key_id, secret.secret).reveal())
    for credential in shown:
        with pytest.raises(HeadraceError) as caught:
            await resolver.resolve(credential)
        assert caught.value.reason is Reason.CREDENTIAL_INVALID


async def test_a_bearer_key_signs_nothing(
    signed: SignedRequestResolver, store: MemoryStore, key_manager: KeyManager, clock: FakeClock
) -> None:
    made = await key_manager.create(await caller_of(store, MEMBER), REQUEST)
    for secret in (made.text.reveal(), made.text.secret, ""):
        signature = _sign_hmac(secret)(BASE)
        request = SignedRequest(made.text.api_key_id, "", BASE, signature, clock.now(), "n")
        await _expect_refusal(signed, request)


async def test_a_key_that_signs_is_changed_but_not_rotated(
    signer: Signer,
    signed: SignedRequestResolver,
    acts: Acts,
    store: MemoryStore,
    clock: FakeClock,
) -> None:
    caller, key_id = await caller_of(store, MEMBER), signer.view.key.api_key_id
    with pytest.raises(HeadraceError) as caught:
        await KeyChanger(acts, credential_notices()).rotate(caller, key_id, timedelta(days=1))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "api_key_id")
    await signed.resolve(signer.request(clock))


async def test_a_shared_secret_is_kept_sealed_for_its_key_alone(
    store: MemoryStore, credentials: SigningCredentials
) -> None:
    caller = await caller_of(store, MEMBER)
    created = await credentials.create(caller, REQUEST, algorithm="hmac-sha256", public_key="")
    key, secret = created.view.key, created.secret
    assert secret is not None
    assert secret.reveal().startswith("hrk_")
    assert key.sealed_signing_secret is not None
    sealer = Sealer(b"k" * 32)
    assert sealer.open(key.sealed_signing_secret, key.api_key_id) == secret.reveal().encode()
    with pytest.raises(HeadraceError):
        sealer.open(key.sealed_signing_secret, mint(b"s" * 44).api_key_id)
    events = b"".join(event.payload for event in await store.announcements.undelivered(9))
    for text in (secret.secret.encode(), key.sealed_signing_secret):
        assert text not in events
    assert secret.secret not in repr(created)


async def test_a_holder_of_a_private_key_gets_no_secret(
    store: MemoryStore, credentials: SigningCredentials
) -> None:
    caller = await caller_of(store, MEMBER)
    created = await credentials.create(
        caller, REQUEST, algorithm="ed25519", public_key=_pem(EDWARDS)
    )
    assert created.secret is None
    assert created.view.key.public_key == _pem(EDWARDS)


@pytest.mark.parametrize(
    ("algorithm", "public_key", "param"),
    [
        ("", "", "signature_algorithm"),
        ("rsa-pss-sha512", _pem(EDWARDS), "signature_algorithm"),
        ("ed25519", _pem(P256), "signature_algorithm"),
        ("ecdsa-p256-sha256", _pem(EDWARDS), "signature_algorithm"),
        ("ed25519", "", "public_key"),
        ("ed25519", "x" * 5000, "public_key"),
        ("hmac-sha256", _pem(EDWARDS), "public_key"),
    ],
)
async def test_a_key_must_be_of_its_algorithm(
    store: MemoryStore,
    credentials: SigningCredentials,
    algorithm: str,
    public_key: str,
    param: str,
) -> None:
    caller = await caller_of(store, MEMBER)
    with pytest.raises(HeadraceError) as caught:
        await credentials.create(caller, REQUEST, algorithm=algorithm, public_key=public_key)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


async def test_who_makes_keys_that_sign_and_for_whom(
    store: MemoryStore, credentials: SigningCredentials
) -> None:
    admin, auditor = await caller_of(store, ADMIN), await caller_of(store, AUDITOR)
    request = replace(REQUEST, user_id=SERVICE.user_id)
    created = await credentials.create(admin, request, algorithm="hmac-sha256", public_key="")
    assert created.view.key.created_by == SERVICE.user_id
    application = await caller_of(store, MEMBER, client_id="app")
    wide = replace(REQUEST, scopes=frozenset({Scope.LIMITS_WRITE}))
    member = await caller_of(store, MEMBER)
    for caller, wanted in ((auditor, REQUEST), (application, REQUEST), (member, wide)):
        with pytest.raises(HeadraceError) as caught:
            await credentials.create(caller, wanted, algorithm="hmac-sha256", public_key="")
        assert caught.value.reason is Reason.PERMISSION_DENIED
