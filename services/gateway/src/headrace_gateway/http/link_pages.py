"""Where links in mails lead while an installation has no front end: which call takes the token.

The token is in the link's fragment, which a browser sends to nobody, so the pages cannot know it;
they tell the person where it is. A front end in front of the gateway takes these paths over.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts import accounts, sessions
from headrace_gateway.http.pages import Html, Pages, fill

ROUTES = {route.call.partition("/")[2]: route for route in (*accounts.ROUTES, *sessions.ROUTES)}
YOURS = "the token"

WHERE_IT_IS = """<p>This needs a call of the API. Your token is in the address of this page, after
<code>#token=</code>; your browser has shown it to nobody.</p>"""
CALL = """<p>$when send this to the server that this page is from:</p>
<pre>$request</pre>"""
PAGE = """<h1>$title</h1>
$body
<p class="soft">All calls are described under <a href="/docs">/docs</a>. This page is here because
Headrace has no web pages of its own; whoever runs it can name some to lead to instead.</p>"""
CODE = """<p class="soft">With a second factor, add <code>"code"</code>: what your authenticator
app shows now, or a recovery code.</p>"""
COMMAND = """<p>At a terminal, <code>headrace login --url ...</code> does it.</p>"""


@dataclass(frozen=True, slots=True)
class Step:
    """A call that goes on from here; `fields` are what it takes beside what it must have."""

    when: str
    call: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LinkPage:
    """One of the paths that `auth` sends people to unless its settings name others."""

    path: str
    title: str
    steps: tuple[Step, ...]
    introduction: str = WHERE_IT_IS


PAGES = (
    LinkPage(
        "/verify-email",
        "Confirm your e-mail address",
        (Step("To confirm it,", "VerifyEmail", {"token": YOURS}),),
    ),
    LinkPage(
        "/reset-password",
        "Set a new password",
        (Step("To set it,", "ResetPassword", {"token": YOURS}),),
    ),
    LinkPage(
        "/invitation",
        "Accept an invitation",
        (
            Step("Without an account here,", "Register", {"invitation_token": YOURS}),
            Step(
                "With an account, log in and then",
                "AcceptInvitation",
                {"token": YOURS, "password": "..."},
            ),
        ),
    ),
    LinkPage(
        "/login",
        "Log in",
        (
            Step("Without it,", "Login", {}),
            Step("To set a new password,", "RequestPasswordReset", {}),
        ),
        COMMAND,
    ),
)


def create_link_router() -> APIRouter:
    """The pages; they are for people, and no part of the API."""
    router, pages = APIRouter(include_in_schema=False), Pages()
    for page in PAGES:
        _add(router, pages, page)
    return router


def _add(router: APIRouter, pages: Pages, page: LinkPage) -> None:
    steps = (_shown(step) for step in page.steps)
    body = Html("\n".join((page.introduction, *steps)))
    whole = fill(PAGE, title=page.title, body=body)

    @router.get(page.path)
    async def show() -> Response:
        return pages.page(page.title, whole)


def _shown(step: Step) -> Html:
    route = ROUTES[step.call]
    call = fill(CALL, when=step.when, request=_request(route, step.fields))
    takes_code = route.body is not None and "code" in route.body.model_fields
    return Html(f"{call}\n{CODE}") if takes_code else call


def _request(route: AccountRoute, fields: Mapping[str, str]) -> str:
    """As HTTP writes it, with all that the call must have."""
    model = route.body.model_fields if route.body else {}
    required = {name: "..." for name, field in model.items() if field.is_required()}
    head = [f"{route.method} {route.path}", "Content-Type: application/json"]
    if not route.open:
        head.append("Authorization: Bearer ...")
    return "\n".join((*head, "", json.dumps({**required, **fields}, indent=2)))
