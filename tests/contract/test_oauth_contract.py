"""OAuthService and OAuthClientService as the gateway calls them, from registration to the end."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from headrace_auth.domain.oauth_grants import AuthorizationRequest
from headrace_auth.domain.principal import Scope
from headrace_auth.oauth.metadata import server_metadata
from headrace_auth.testing.directory import ACME, ADMIN, MEMBER, PASSWORD, SERVICE
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth
from headrace_common.errors import Reason
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.http.consent_words import SCOPES_IN_WORDS
from headrace_gateway.testing.account_caller import REQUEST, AccountCaller

REDIRECT = "https://app.example/callback"
VERIFIER = "v" * 43
NEW_CLIENT = {
    "name": "Notebook",
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "scopes": ["llm:invoke", "models:read"],
    "service_user_id": SERVICE.user_id,
}


@pytest.fixture
def nobody(auth: RunningAuth) -> AccountCaller:
    return AccountCaller(GrpcAccounts(auth.channel, seconds=5))


@pytest.fixture
async def admin(nobody: AccountCaller) -> AccountCaller:
    return await nobody.logged_in(ADMIN.email, PASSWORD)


@pytest.fixture
async def client(admin: AccountCaller) -> dict[str, Any]:
    """A client's fields, and its secret beside them."""
    made = await admin.call("OAuthClientService/CreateClient", **NEW_CLIENT)
    return {**made["client"], "secret": made["secret"]}


def query(client: dict[str, Any], **changes: str) -> bytes:
    good = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": REDIRECT,
        "scope": "models:read",
        "state": "a b&c",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    return urlencode({**good, **changes}).encode()


async def ask(nobody: AccountCaller, client: dict[str, Any]) -> dict[str, Any]:
    """What a person is asked."""
    checked = await nobody.call("OAuthService/CheckAuthorization", query=query(client))
    return dict(checked["authorization"])


async def post(
    nobody: AccountCaller, call: str, client: dict[str, Any], **form: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and headers of an answer to a client that authenticates itself."""
    pair = f"{client['client_id']}:{client['secret']}".encode()
    sent = {
        "body": urlencode(form).encode(),
        "authorization": f"Basic {base64.b64encode(pair).decode()}",
    }
    answer = (await nobody.call(f"OAuthService/{call}", form=sent))["answer"]
    return answer["status"], json.loads(answer["body_json"]), answer["headers"]


async def tokens(nobody: AccountCaller, client: dict[str, Any]) -> dict[str, Any]:
    """Of MEMBER, who says yes."""
    asked = await ask(nobody, client)
    allowed = await nobody.call(
        "OAuthService/AllowClient",
        authorization_id=asked["authorization_id"],
        email=MEMBER.email,
        password=PASSWORD,
    )
    status, body, _ = await post(
        nobody,
        "IssueToken",
        client,
        grant_type="authorization_code",
        code=parse_qs(urlsplit(allowed["location"]).query)["code"][0],
        redirect_uri=REDIRECT,
        code_verifier=VERIFIER,
    )
    assert status == 200, body
    return body


async def test_a_client_is_registered_and_listed_without_its_secret(
    admin: AccountCaller, client: dict[str, Any]
) -> None:
    assert client["secret"].startswith("hrc_")
    expected = {**NEW_CLIENT, "grant_types": sorted(NEW_CLIENT["grant_types"])}
    assert {name: client[name] for name in NEW_CLIENT} == expected
    assert (client["public"], client["created_by"]) == (False, ADMIN.user_id)
    assert client["revoked_at"] is None
    page = await admin.call("OAuthClientService/ListClients", page_size=5)
    assert page["clients"] == [{name: client[name] for name in client if name != "secret"}]
    assert page["next_page_token"] == ""


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"grant_types": ["password"]}, "grant_types"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"redirect_uris": ["https://*.example/"]}, "redirect_uris"),
        ({"public": True}, "grant_types"),
    ],
)
async def test_a_wrong_client_is_refused_by_field(
    admin: AccountCaller, change: dict[str, Any], param: str
) -> None:
    call = admin.call("OAuthClientService/CreateClient", **{**NEW_CLIENT, **change})
    refused = await refusal(call)
    assert (refused.reason, refused.param) == (Reason.INVALID_FIELD, param)


async def test_the_question_comes_back_until_it_is_answered(
    nobody: AccountCaller, client: dict[str, Any], auth: RunningAuth
) -> None:
    asked = await ask(nobody, client)
    assert asked == {
        "authorization_id": asked["authorization_id"],
        "client_name": "Notebook",
        "organization_name": "acme",
        "scopes": ["models:read"],
        "redirect_uri": REDIRECT,
        "client_id": client["client_id"],
    }
    named = {"authorization_id": asked["authorization_id"]}
    assert (await nobody.call("OAuthService/GetAuthorization", **named))["authorization"] == asked
    denied = await nobody.call("OAuthService/DenyClient", **named)
    assert parse_qs(urlsplit(denied["location"]).query)["error"] == ["access_denied"]
    assert not auth.store.rows[AuthorizationRequest]
    gone = await refusal(nobody.call("OAuthService/GetAuthorization", **named))
    assert gone.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_wrong_request_goes_back_to_its_client_or_to_nobody(
    nobody: AccountCaller, client: dict[str, Any]
) -> None:
    call = "OAuthService/CheckAuthorization"
    told = await nobody.call(call, query=query(client, scope="unknown"))
    assert told["authorization"] is None
    back = parse_qs(urlsplit(told["location"]).query)
    assert (back["error"], back["state"]) == (["invalid_scope"], ["a b&c"])
    for wrong in (query(client, redirect_uri="https://evil.example"), b"", b"%ff", b"a=1&" * 60):
        assert (await refusal(nobody.call(call, query=wrong))).reason is Reason.INVALID_FIELD


async def test_a_yes_names_its_person(nobody: AccountCaller, client: dict[str, Any]) -> None:
    asked = await ask(nobody, client)
    fields = {
        "authorization_id": asked["authorization_id"],
        "email": MEMBER.email,
        "password": PASSWORD,
    }
    answer = await nobody.accounts.call("OAuthService/AllowClient", fields, REQUEST)
    assert answer.principal is not None
    assert (answer.principal.user_id, answer.principal.organization_id) == (MEMBER.user_id, ACME)
    assert answer.fields["client_id"] == client["client_id"]


async def test_a_wrong_password_is_a_failed_login(
    nobody: AccountCaller, client: dict[str, Any]
) -> None:
    asked = await ask(nobody, client)
    for email in (MEMBER.email, "nobody@acme.test"):
        call = nobody.call(
            "OAuthService/AllowClient",
            authorization_id=asked["authorization_id"],
            email=email,
            password="wrong",
        )
        assert (await refusal(call)).reason is Reason.LOGIN_FAILED


async def test_no_access_token_says_yes(nobody: AccountCaller, client: dict[str, Any]) -> None:
    asked = await ask(nobody, client)
    named = {"authorization_id": asked["authorization_id"]}
    call = "OAuthService/AllowClient"
    member = await nobody.logged_in(MEMBER.email, PASSWORD)
    for caller in (nobody, member):
        for proof, param in (({}, "email"), ({"email": MEMBER.email}, "password")):
            refused = await refusal(caller.call(call, **named, **proof))
            assert (refused.reason, refused.param) == (Reason.INVALID_FIELD, param)
    yes = {"email": MEMBER.email, "password": PASSWORD}
    assert "code=" in (await nobody.call(call, **named, **yes))["location"]


async def test_tokens_from_issue_to_revocation(
    nobody: AccountCaller, client: dict[str, Any], auth: RunningAuth
) -> None:
    issued = await tokens(nobody, client)
    assert (issued["token_type"], issued["scope"]) == ("Bearer", "models:read")
    status, told, _ = await post(nobody, "IntrospectToken", client, token=issued["access_token"])
    assert (status, told["active"], told["sub"]) == (200, True, MEMBER.user_id)
    status, renewed, headers = await post(
        nobody,
        "IssueToken",
        client,
        grant_type="refresh_token",
        refresh_token=issued["refresh_token"],
    )
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert renewed["refresh_token"] != issued["refresh_token"]
    status, _, _ = await post(nobody, "RevokeToken", client, token=renewed["refresh_token"])
    assert status == 200
    assert any(ended.startswith("session:") for _, ended in auth.announcer.announced)
    for token in (issued["access_token"], renewed["access_token"], renewed["refresh_token"]):
        _, told, _ = await post(nobody, "IntrospectToken", client, token=token)
        assert told == {"active": False}


async def test_a_token_names_whom_it_stands_for(
    nobody: AccountCaller, client: dict[str, Any]
) -> None:
    pair = f"{client['client_id']}:{client['secret']}".encode()
    form = {
        "body": b"grant_type=client_credentials",
        "authorization": f"Basic {base64.b64encode(pair).decode()}",
    }
    answer = await nobody.accounts.call("OAuthService/IssueToken", {"form": form}, REQUEST)
    assert answer.principal is not None
    assert answer.principal.user_id == SERVICE.user_id
    assert answer.principal.scopes == {"llm:invoke", "models:read"}


async def test_refusals_are_answers_and_name_nobody(
    nobody: AccountCaller, client: dict[str, Any]
) -> None:
    forms: list[tuple[dict[str, Any], int, str]] = [
        ({"body": b"grant_type=client_credentials"}, 401, "invalid_client"),
        ({"body": b"grant_type=a&grant_type=b"}, 400, "invalid_request"),
        ({"body": b"x" * 20_000}, 400, "invalid_request"),
        ({"body": b"%ff=1"}, 400, "invalid_request"),
        ({"body": b"grant_type=x", "query": b"client_secret=s"}, 400, "invalid_request"),
    ]
    for form, status, error in forms:
        answer = await nobody.accounts.call("OAuthService/IssueToken", {"form": form}, REQUEST)
        assert answer.principal is None
        assert answer.fields["answer"]["status"] == status
        assert json.loads(answer.fields["answer"]["body_json"])["error"] == error


async def test_a_rotated_secret_and_a_revoked_client(
    nobody: AccountCaller, admin: AccountCaller, client: dict[str, Any]
) -> None:
    named = {"client_id": client["client_id"]}
    rotated = await admin.call("OAuthClientService/RotateClientSecret", **named)
    form = {"grant_type": "client_credentials"}
    assert (await post(nobody, "IssueToken", client, **form))[0] == 401
    again = {**client, "secret": rotated["secret"]}
    assert (await post(nobody, "IssueToken", again, **form))[0] == 200
    revoked = await admin.call("OAuthClientService/RevokeClient", **named)
    assert revoked["client"]["revoked_at"] is not None
    assert (await post(nobody, "IssueToken", again, **form))[0] == 401


async def test_the_document_is_that_of_the_issuer(nobody: AccountCaller) -> None:
    told = await nobody.call("OAuthService/GetServerMetadata")
    assert json.loads(told["metadata_json"]) == server_metadata("https://headrace.test")


def test_the_consent_page_has_words_for_every_scope() -> None:
    assert set(SCOPES_IN_WORDS) == {scope.value for scope in Scope}
