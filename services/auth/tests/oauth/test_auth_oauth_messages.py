"""Parameters as they come over the wire, and that nothing secret is written anywhere."""

import contextlib
import logging
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.oauth.client_authentication import PresentedClient, presented_client
from headrace_auth.oauth.errors import ErrorCode, OAuthError
from headrace_auth.oauth.messages import OAuthRequest, parse_pairs, read_parameters
from headrace_auth.testing.oauth_flow import VERIFIER, OAuthFlow, basic
from headrace_auth.testing.oauth_world import SECRET

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=10))
def test_pairs_survive_the_wire_in_order_and_number(sent: list[tuple[str, str]]) -> None:
    assert parse_pairs(urlencode(sent).encode()) == tuple(sent)


@given(st.binary(max_size=200))
def test_other_bytes_are_parsed_or_refused(text: bytes) -> None:
    with contextlib.suppress(OAuthError):
        assert all(isinstance(part, str) for pair in parse_pairs(text) for part in pair)


@pytest.mark.parametrize(
    "text",
    [b"a=%ff", b"a=\xc3\xa9", b"a=" + b"x" * 16_384, b"&".join(b"a%d=1" % n for n in range(51))],
)
def test_bad_forms_are_refused(text: bytes) -> None:
    with pytest.raises(OAuthError) as caught:
        parse_pairs(text)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


def test_a_form_of_nothing_is_no_parameters() -> None:
    assert parse_pairs(b"") == ()


def test_broken_parameters_have_no_value() -> None:
    parameters = read_parameters(
        (("state", "a"), ("state", "b"), ("scope", "ü"), ("nonce", "ü"), ("code", ""))
    )
    assert parameters.broken == {"state", "scope"}
    assert parameters.values == {}


@pytest.mark.parametrize(
    "header", [basic("web", SECRET), basic("web", SECRET).replace("B", "b", 1)]
)
def test_the_scheme_is_read_in_any_case(header: str) -> None:
    assert presented_client({}, header).secret == SECRET


@pytest.mark.parametrize(
    "value",
    [
        OAuthRequest(form=(("client_secret", SECRET),), authorization=basic("web", SECRET)),
        read_parameters((("client_secret", SECRET),)),
        presented_client({}, basic("web", SECRET)),
        presented_client({"client_id": "web", "client_secret": SECRET}, ""),
    ],
)
def test_no_representation_shows_a_secret(value: object) -> None:
    assert SECRET not in repr(value)
    assert basic("web", SECRET) not in repr(value)
    assert isinstance(value, PresentedClient) == ("web" in repr(value))


async def test_nothing_secret_is_logged_even_for_debugging(
    web: OAuthFlow, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        code = await web.code()
        response = await web.exchange(code)
        tokens = dict(response.body)
        renewed = (await web.refresh(tokens["refresh_token"])).body
        await web.post(grant_type="client_credentials")
        await web.introspect(renewed["access_token"])
        await web.revoke(renewed["refresh_token"])
        await web.exchange(code)
    assert any(record.name.startswith("authlib") for record in caplog.records)
    secret = (SECRET, VERIFIER, code, tokens["access_token"], renewed["refresh_token"])
    written = caplog.text + repr(response)
    assert [text for text in secret if text in written] == []
