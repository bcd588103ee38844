"""Applications, browsers and their attackers at the authorization server, over HTTP."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.security.oauth_app import App, register
from tests.security.world import World
from tests.stack.consent import open_form, parameters_of, send_form

from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.testing.directory import ADMIN, MEMBER, OUTSIDER, OWNER, PASSWORD, SERVICE
from headrace_gateway.http.accounts.tables import TABLES
from headrace_gateway.testing.pages import Page

REDIRECT = "https://app.example/callback?tenant=1"
VERIFIER = "v" * 43
SCOPES = ["models:read", "account:read"]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def app(world: World) -> App:
    return await register(world)


@pytest.fixture
async def foreign(world: World) -> App:
    """Another organisation's application, with the same redirect URI."""
    return await register(world, OUTSIDER.email)


async def is_dead(world: World, token: str) -> bool:
    await world.ended.refresh()
    return (await world.ask(token)).status_code == 401


async def test_a_token_does_what_it_was_allowed_and_nothing_else(world: World, app: App) -> None:
    token = (await app.tokens())["access_token"]
    assert (await world.ask(token)).status_code == 200
    assert (await world.ask(token, path="/api/v1/auth/me")).json()["email"] == MEMBER.email
    asked = {"model": "echo", "messages": [{"role": "user", "content": "Hi"}]}
    used = await world.ask(token, "POST", "/v1/chat/completions", json=asked)
    assert used.status_code == 403
    assert (await world.ask(token, path="/api/v1/keys")).status_code == 403


async def test_nothing_personal_is_open_to_an_application(world: World) -> None:
    scopes = ["keys:write", "account:read", "account:write", "clients:write", "models:read"]
    app = await register(world, OWNER.email, scopes=scopes)
    token = (await app.exchange(await app.code(OWNER.email))).json()["access_token"]
    assert (await world.ask(token)).status_code == 200
    bodies: dict[str, dict[str, Any]] = {
        "ApiKeyService/CreateApiKey": {"name": "x"},
        "SessionService/SwitchOrganization": {"organization_id": OWNER.joined[0][0]},
        "OAuthClientService/CreateClient": {
            "name": "x",
            "grant_types": ["client_credentials"],
            "scopes": ["models:read"],
        },
        "AccountService/ChangePassword": {"current_password": PASSWORD, "new_password": PASSWORD},
    }
    personal = {
        *bodies,
        "SessionService/ListSessions",
        "SessionService/EndSession",
        "SessionService/EndAllSessions",
        "OAuthClientService/RotateClientSecret",
    }
    routes = [route for table in TABLES.values() for route in table if route.call in personal]
    assert {route.call for route in routes} == personal
    for route in routes:
        path = route.path.format(session_id="x", client_id=app.client_id)
        body = {"json": bodies[route.call]} if route.call in bodies else {}
        response = await world.ask(token, route.method, path, **body)
        assert response.status_code == 403, route.call


async def test_a_replayed_code_ends_what_it_gave(world: World, app: App) -> None:
    code = await app.code()
    issued = (await app.exchange(code)).json()
    assert not await is_dead(world, issued["access_token"])
    replayed = await app.exchange(code)
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
    assert await is_dead(world, issued["access_token"])
    refreshed = await app.post(
        "token", grant_type="refresh_token", refresh_token=issued["refresh_token"]
    )
    assert refreshed.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "https://app.example/callback"},
        {"redirect_uri": ""},
    ],
    ids=str,
)
async def test_a_stolen_code_is_worth_nothing(
    world: World, app: App, change: dict[str, str]
) -> None:
    code = await app.code()
    assert (await app.exchange(code, **change)).json()["error"] in (
        "invalid_grant",
        "invalid_request",
    )
    # A wrong guess was the last one.
    assert (await app.exchange(code)).json()["error"] == "invalid_grant"


async def test_another_application_gets_nothing_for_a_code_or_a_token(
    world: World, app: App
) -> None:
    other = await register(world, name="Other")
    assert (await other.exchange(await app.code())).json()["error"] == "invalid_grant"
    issued = await app.tokens()
    stolen = await other.post(
        "token", grant_type="refresh_token", refresh_token=issued["refresh_token"]
    )
    assert stolen.json()["error"] == "invalid_grant"
    assert (await other.post("revoke", token=issued["access_token"])).status_code == 400
    assert not await is_dead(world, issued["access_token"])


async def test_another_organisations_application_learns_nothing(
    world: World, app: App, foreign: App
) -> None:
    issued = await app.tokens()
    told = await foreign.post("introspect", token=issued["access_token"])
    assert told.json() == {"active": False}
    assert (await app.post("introspect", token=issued["access_token"])).json()["active"]
    form = await open_form(world.client, foreign.url())
    refused = await send_form(world.client, form, "allow", email=ADMIN.email, password=PASSWORD)
    assert refused.status_code == 403
    assert "Only members" in Page(refused.text).text


async def test_a_revoked_application_is_dead_everywhere_at_once(world: World, app: App) -> None:
    machine = await register(
        world,
        grant_types=["client_credentials"],
        redirect_uris=[],
        service_user_id=SERVICE.user_id,
    )
    issued = await machine.post("token", grant_type="client_credentials")
    tokens = [(await app.tokens())["access_token"], issued.json()["access_token"]]
    admin = await world.token(ADMIN.email)
    for each, token in zip((app, machine), tokens, strict=True):
        assert not await is_dead(world, token)
        path = f"/api/v1/oauth-clients/{each.client_id}"
        assert (await world.ask(admin, "DELETE", path)).status_code == 200
        assert await is_dead(world, token)
        assert (await each.post("token", grant_type="client_credentials")).status_code == 401


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        "https://app.example/callback",
        "https://app.example/callback?tenant=1&more=1",
        "https://app.example/callback?tenant=1#fragment",
        "https://app.example.evil.example/callback?tenant=1",
        "https://app.example@evil.example/callback?tenant=1",
        "https://app.example/callback/../callback?tenant=1",
        "https://app.example\\@evil.example/callback?tenant=1",
        "//evil.example",
        "javascript:alert(1)",
        "https://app.example/callback?tenant=1\r\nlocation: https://evil.example",
        "",
        None,
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    world: World, app: App, redirect_uri: str | None
) -> None:
    response = await world.client.get(app.url(redirect_uri=redirect_uri, scope="unknown"))
    assert response.status_code == 400
    assert "location" not in response.headers
    page = Page(response.text)
    assert (page.links, page.refresh, page.forms) == ([], "", [])


async def test_no_link_to_us_leads_elsewhere_by_itself(world: World, app: App) -> None:
    for wrong in ({"scope": "unknown"}, {"response_type": "token"}, {"code_challenge": None}):
        response = await world.client.get(app.url(**wrong))
        page = Page(response.text)
        assert (response.status_code, page.refresh) == (400, "")
        assert not {"location", "refresh"} & set(response.headers)
        [link] = page.links
        assert parameters_of(link)["tenant"] == "1"


async def test_what_an_attacker_writes_into_a_request_stays_text(world: World, app: App) -> None:
    state = "x\r\nset-cookie: a=b\r\n\r\n<script>"
    refused = await world.client.get(app.url(state="y" * 3000, scope="unknown"))
    assert refused.status_code == 400
    assert "state" not in parameters_of(*Page(refused.text).links)
    broken = await world.client.get(app.url(state=state))
    assert broken.status_code == 400
    [link] = Page(broken.text).links
    assert urlsplit(link).netloc == "app.example"
    assert "script" not in Page(broken.text).tags
    assert "set-cookie" not in broken.headers


async def test_the_name_of_an_application_is_no_markup(world: World) -> None:
    name = '"><script>alert(1)</script><form action="https://evil.example">'
    app = await register(world, name=name)
    response = await world.client.get(app.url())
    page = Page(response.text)
    assert name in page.text
    assert "script" not in page.tags
    assert [form.action for form in page.forms] == ["/oauth2/authorize"]


async def test_a_forged_form_gains_nothing(world: World, app: App) -> None:
    form = await open_form(world.client, app.url())
    assert not world.client.cookies
    forged = {**form.fields, "authorization_id": "0" * 43}
    proven = {"email": MEMBER.email, "password": PASSWORD, "decision": "allow"}
    refused = await world.client.post(form.action, data={**forged, **proven})
    assert refused.status_code == 404
    # And with an id that the attacker got for itself, a password is missing.
    blind = await world.client.post(form.action, data={**form.fields, "decision": "allow"})
    assert blind.status_code == 403
    # Whatever a browser may add by itself is no login here.
    token = await world.token(MEMBER.email)
    cookies = {"cookie": f"access_token={token}; session={token}"}
    with_cookies = await world.client.post(
        form.action, data={**form.fields, "decision": "allow"}, headers=cookies
    )
    assert with_cookies.status_code == 403


@pytest.mark.parametrize("proof", [{}, {"email": MEMBER.email}, {"password": PASSWORD}])
async def test_a_stolen_access_token_allows_no_application(
    world: World, app: App, proof: dict[str, str]
) -> None:
    form = await open_form(world.client, app.url())
    bearer = {"authorization": f"Bearer {await world.token(MEMBER.email)}"}
    data = {**form.fields, "decision": "allow", **proof}
    refused = await world.client.post(form.action, data=data, headers=bearer)
    assert refused.status_code == 403
    # It is still the person's to answer.
    assert [each.action for each in Page(refused.text).forms] == [form.action]


async def test_a_request_cannot_ask_for_more_than_its_application_may_have(
    world: World, app: App
) -> None:
    code = await app.code(scope="models:read keys:write organization:write")
    issued = (await app.exchange(code)).json()
    assert issued["scope"] == "models:read"


@pytest.mark.parametrize(
    "field",
    ["organization_id", "client_id", "created_by", "secret_sha256", "revoked_at", "secret"],
)
async def test_no_field_of_a_registration_sets_what_is_ours(world: World, field: str) -> None:
    token = await world.token(ADMIN.email)
    body = {
        "name": "x",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code"],
        "scopes": ["models:read"],
        field: "x",
    }
    response = await world.ask(token, "POST", "/api/v1/oauth-clients", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, field)


@pytest.mark.parametrize("email", [MEMBER.email, "nobody@acme.test"])
async def test_the_page_does_not_tell_who_has_an_account(
    world: World, app: App, email: str
) -> None:
    form = await open_form(world.client, app.url())
    response = await send_form(world.client, form, "allow", email=email, password="wrong")
    told = response.text.replace(email, "").replace(form.fields["authorization_id"], "")
    other = await open_form(world.client, app.url())
    unknown = await send_form(world.client, other, "allow", email="x@y.test", password="wrong")
    expected = unknown.text.replace("x@y.test", "").replace(other.fields["authorization_id"], "")
    assert (response.status_code, told) == (unknown.status_code, expected)


async def test_guesses_at_the_page_are_counted_with_those_of_logins(world: World, app: App) -> None:
    form = await open_form(world.client, app.url())
    statuses = []
    for _ in range(12):
        credentials = {"email": MEMBER.email, "password": "wrong"}
        statuses.append(
            (await world.client.post("/api/v1/auth/login", json=credentials)).status_code
        )
        response = await send_form(world.client, form, "allow", **credentials)
        statuses.append(response.status_code)
    assert statuses[-1] == 429
    right = await send_form(world.client, form, "allow", email=MEMBER.email, password=PASSWORD)
    assert right.status_code == 429


async def test_no_secret_reaches_the_audit_or_the_store(world: World, app: App) -> None:
    form = await open_form(world.client, app.url())
    await send_form(world.client, form, "allow", email=MEMBER.email, password="canary-password")
    code = await app.code()
    issued = (await app.exchange(code)).json()
    secrets = [
        "canary-password",
        code,
        VERIFIER,
        app.secret,
        form.fields["authorization_id"],
        issued["access_token"],
        issued["refresh_token"],
    ]
    rows = world.auth.store.rows
    outbox = [each.payload.decode(errors="replace") for each in rows[OutboxEvent].values()]
    stored = [repr(vars_of(each)) for kind in rows.values() for each in kind.values()]
    recorded = [repr(vars_of(exchange)) for exchange in world.events.exchanges]
    for secret in secrets:
        assert not [text for text in (*outbox, *stored) if secret in text]
        # The bearer credential of an administrator is in exchanges, which the audit's events are
        # made from field by field.
        assert not [text for text in recorded if secret in text]


def vars_of(thing: object) -> dict[str, Any]:
    """All fields of a dataclass, those that its `repr` hides, too."""
    return {name: getattr(thing, name) for name in getattr(thing, "__dataclass_fields__", ())}


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&&&===",
        b"\xff\xfe",
        b"grant_type=\x00",
        b"grant_type=password&username=a&password=b",
        b"grant_type=authorization_code&code=" + b"x" * 5000,
        b"client_id=a&client_id=b",
        b"&".join(b"a%d=1" % number for number in range(60)),
        b"grant_type=client_credentials&client_id=%27+OR+1%3D1+--&client_secret=x",
    ],
    ids=lambda body: body[:20].decode(errors="replace"),
)
async def test_hostile_bodies_are_refused_in_the_protocols_form(
    world: World, app: App, path: str, body: bytes
) -> None:
    for auth in (None, (app.client_id, "wrong"), (app.client_id, app.secret)):
        response = await world.client.post(
            path,
            content=body,
            headers={"content-type": FORM},
            auth=auth or httpx.USE_CLIENT_DEFAULT,
        )
        assert response.status_code in (400, 401)
        assert {"error"} <= set(response.json()) <= {"error", "error_description"}
        assert response.headers["cache-control"] == "no-store"
