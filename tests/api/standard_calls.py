"""The endpoints that standards define: OAuth2, identity providers, keys and metadata."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from tests.api.recorder import Recorder
from tests.security.oauth_app import VERIFIER as APP_VERIFIER
from tests.security.oauth_app import register
from tests.stack.consent import parameters_of, send_form

from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.testing.directory import ADMIN, PASSWORD, SERVICE
from headrace_auth.testing.federation import ADA, FRONT_END, PROVIDER, VERIFIER
from headrace_gateway.testing.pages import Page


async def play_standards(recorder: Recorder) -> None:
    """Each endpoint once."""
    await _documents(recorder)
    await _application(recorder)
    await _provider(recorder)


async def _documents(recorder: Recorder) -> None:
    http, keep = recorder.world.client, recorder.keep
    keep(
        "Get the public keys of access tokens (RFC 7517)", await http.get("/.well-known/jwks.json")
    )
    path = "/.well-known/oauth-authorization-server"
    keep("Get the authorization server's endpoints (RFC 8414)", await http.get(path))


async def _application(recorder: Recorder) -> None:
    """Somebody allows an application, which uses its tokens up; then it works for itself."""
    http, keep = recorder.world.client, recorder.keep
    app = await register(
        recorder.world,
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        scopes=["models:read"],
        service_user_id=SERVICE.user_id,
    )
    page = keep("Ask somebody to allow an application (RFC 6749, 4.1)", await http.get(app.url()))
    [form] = Page(page.text).forms
    allowed = await send_form(http, form, "allow", email=ADMIN.email, password=PASSWORD)
    keep("Answer for that person; the page leads back to the application", allowed)
    code = parameters_of(Page(allowed.text).refresh)["code"]
    tokens = keep(
        "Exchange the code, and the verifier of its challenge, for tokens (RFC 7636)",
        await app.exchange(code, code_verifier=APP_VERIFIER),
    ).json()
    renewed = await app.post(
        "token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    )
    refresh_token = keep("Get new tokens; a refresh token works once", renewed).json()[
        "refresh_token"
    ]
    asked = await app.post("introspect", token=refresh_token)
    keep("Ask about a token of one's own (RFC 7662)", asked)
    keep("Revoke a token (RFC 7009)", await app.post("revoke", token=refresh_token))
    own = await app.post("token", grant_type="client_credentials")
    keep("Get a token for the application itself (RFC 6749, 4.4)", own)


async def _provider(recorder: Recorder) -> None:
    """Out to the identity provider and back to the front end."""
    http, keep = recorder.world.client, recorder.keep
    begin = {"redirect_uri": FRONT_END, "code_challenge": s256_challenge(VERIFIER)}
    sent = await http.get(f"/oauth2/{PROVIDER}/login", params=begin)
    url = keep("Log in through an identity provider", sent).headers["location"]
    [state] = parse_qs(urlsplit(url).query)["state"]
    somebody = replace(ADA, subject="third", email="hopper@example.org")
    query = {"state": state, "code": recorder.provider.approve(url, somebody)}
    back = await http.get(f"/oauth2/{PROVIDER}/callback", params=query)
    keep("Come back from it; `POST /api/v1/auth/exchange` takes the login code", back)
