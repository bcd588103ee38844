"""Whatever a provider sends, reading it ends in a value or in UnbelievableError."""

import asyncio
import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from headrace_auth.adapters.identity_providers import id_token
from headrace_auth.adapters.identity_providers.cached import Cached
from headrace_auth.adapters.identity_providers.discovery import Metadata, read_metadata
from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError
from headrace_auth.domain.federation import ProviderConfig, ProviderKind
from headrace_common.testing.clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER, CLIENT = "https://login.acme.test", "headrace"
EXPECTED = id_token.Expected(ISSUER, CLIENT, "nonce", "access token")
CLAIMS = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "ada",
    "nonce": "nonce",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 60,
}
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize?tenant=a",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": "https://keys.acme.test/",
}
CONFIG = ProviderConfig(
    name="acme", kind=ProviderKind.OIDC, issuer=ISSUER, client_id=CLIENT, client_secret="s"
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
KEYS: list[RSAKey | ECKey | OKPKey] = [
    RSAKey.generate_key(2048),
    ECKey.generate_key("P-256"),
    OKPKey.generate_key("Ed25519"),
]


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*") | JSON)
def test_any_text_is_a_token_with_a_key_name_or_unbelievable(text: Any) -> None:
    with suppress(UnbelievableError):
        assert id_token.key_name(text).algorithm in id_token.KEY_OF_ALGORITHM


HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ", "jwk"]), JSON)


@given(HEADERS | HEADERS.map(lambda header: {**header, "alg": "ES256"}) | JSON)
@example(["alg"])
@example("alg")
@example({"alg": "ES256", "b64": False, "crit": ["b64"]})
@example({"alg": "ES256", "crit": 1})
def test_any_header_is_a_token_or_unbelievable(header: Any) -> None:
    key = KEYS[1]
    _, payload, signature = jwt.encode({"alg": "ES256"}, CLAIMS, key).split(".")
    part = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    token = f"{part}.{payload}.{signature}"
    with suppress(UnbelievableError):
        assert id_token.key_name(token).algorithm in id_token.KEY_OF_ALGORITHM
        id_token.believe(token, key.as_dict(private=False), EXPECTED, NOW)
        raise AssertionError("the signature is of another header")


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated", "ignore:Key size should be")
@given(
    key=st.sampled_from(KEYS),
    changes=st.dictionaries(
        st.sampled_from(
            ["kty", "crv", "n", "e", "x", "y", "kid", "use", "alg", "key_ops", "d", "p"]
        ),
        JSON | st.text("AQab_-", min_size=1),
        min_size=1,
    ),
)
def test_any_key_verifies_or_is_unbelievable(key: Any, changes: dict[str, Any]) -> None:
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[key.key_type]
    token = jwt.encode({"alg": algorithm}, CLAIMS, key, algorithms=[algorithm])
    try:
        claims = id_token.believe(token, {**key.as_dict(private=False), **changes}, EXPECTED, NOW)
    except UnbelievableError:
        return
    assert claims["sub"] == "ada"


@given(key_set=JSON | st.fixed_dictionaries({"keys": JSON | st.lists(JSON)}))
def test_any_key_set_has_the_key_or_not(key_set: Any) -> None:
    assert id_token.find_key(key_set, id_token.KeyName("RS256", "kid")) is None


@given(
    st.dictionaries(st.sampled_from([*CLAIMS, "azp", "at_hash", "nbf", "amr", "auth_time"]), JSON)
)
def test_any_claims_are_for_us_or_unbelievable(changes: dict[str, Any]) -> None:
    key = KEYS[1]
    token = jwt.encode({"alg": "ES256"}, {**CLAIMS, **changes}, key)
    try:
        claims = id_token.believe(token, key.as_dict(private=False), EXPECTED, NOW)
    except UnbelievableError:
        return
    assert claims["iss"] == ISSUER
    assert claims["nonce"] == "nonce"
    assert CLIENT in claims["aud"]


@given(JSON | st.dictionaries(st.sampled_from([*DOCUMENT, "userinfo_endpoint"]), JSON))
def test_any_document_is_metadata_or_unbelievable(changes: Any) -> None:
    document = {**DOCUMENT, **changes} if isinstance(changes, dict) else changes
    try:
        metadata = read_metadata(document, CONFIG)
    except UnbelievableError:
        return
    assert document["issuer"] == ISSUER
    assert metadata.token_endpoint.startswith("https://")


def test_a_document_is_read() -> None:
    assert read_metadata(DOCUMENT, CONFIG) == Metadata(
        authorization_endpoint=f"{ISSUER}/authorize?tenant=a",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri="https://keys.acme.test/",
        userinfo_endpoint=None,
        auth_method="client_secret_basic",
    )


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_the_endpoints_of_an_https_issuer_are_https_even_in_development(name: str) -> None:
    config = replace(CONFIG, allow_http_on_loopback=True)
    with pytest.raises(UnbelievableError):
        read_metadata({**DOCUMENT, name: "http://127.0.0.1:8080/"}, config)


def test_what_is_expected_shows_no_secret() -> None:
    assert "nonce=" not in repr(EXPECTED)
    assert "access token" not in repr(EXPECTED)


class _Source:
    """Loads when it is let to, and counts."""

    def __init__(self) -> None:
        self.loads = 0
        self.may_load = asyncio.Event()
        self.loading = asyncio.Event()

    async def load(self) -> int:
        self.loads += 1
        self.loading.set()
        await self.may_load.wait()
        return self.loads


async def test_who_asks_at_the_same_time_shares_one_load() -> None:
    source, cached = _Source(), Cached[int](FakeClock(), seconds=10)
    asking = [asyncio.create_task(cached.get(source.load)) for _ in range(5)]
    await source.loading.wait()
    source.may_load.set()
    assert await asyncio.gather(*asking) == [1] * 5


async def test_when_the_first_gives_up_the_next_one_loads() -> None:
    source, cached = _Source(), Cached[int](FakeClock(), seconds=10)
    first = asyncio.create_task(cached.get(source.load))
    await source.loading.wait()
    second = asyncio.create_task(cached.get(source.load))
    first.cancel()
    source.may_load.set()
    assert await second == 2


async def test_what_failed_to_load_is_not_remembered() -> None:
    clock = FakeClock()
    source, cached = _Source(), Cached[int](clock, seconds=10)
    source.may_load.set()

    async def fail() -> int:
        raise OSError

    with pytest.raises(OSError):
        await cached.get(fail)
    assert await cached.get(source.load) == 1
    clock.advance(10)
    with pytest.raises(OSError):
        await cached.get(fail)
    assert await cached.get(source.load) == 2
    assert await cached.get(source.load, younger_than=1) == 2
    clock.advance(1)
    assert await cached.get(source.load, younger_than=1) == 3
