"""The pages of `/oauth2/authorize`: the question, the way back, and what went wrong.

They have no script and load nothing. What others wrote, `_fill` escapes. Browsers apply a page's
`form-action` to every redirect that follows a form, so an answer that redirected would need the
application's address in it, and that of wherever the application sends people next. The way back is
a page of its own instead, from which the browser goes on; so the form may go to this server alone.
"""

import base64
import hashlib
import html
from collections.abc import Mapping
from string import Template
from typing import Any

from starlette.responses import HTMLResponse

from headrace_gateway.http.consent_templates import (
    BACK,
    FAILURE,
    PAGE,
    QUESTION,
    STYLE,
    WRONG_REQUEST,
)
from headrace_gateway.http.consent_words import (
    destination_in_words,
    request_error_in_words,
    scope_in_words,
)


class _Html(str):
    """Text that is markup already, and not escaped again."""

    __slots__ = ()


def _fill(template: str, **values: str) -> _Html:
    escaped = {
        name: value if isinstance(value, _Html) else html.escape(value)
        for name, value in values.items()
    }
    return _Html(Template(template).substitute(escaped))


class ConsentPages:
    """Makes the pages; none is kept anywhere, and each may send a form to this server alone."""

    def __init__(self) -> None:
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self';"
            " base-uri 'none'; frame-ancestors 'none'"
        )
        self._headers = {
            "content-security-policy": policy,
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }

    def question(
        self,
        authorization: Mapping[str, Any],
        *,
        status: int = 200,
        message: str = "",
        email: str = "",
        code_needed: bool = False,
    ) -> HTMLResponse:
        """What `OAuthService` says is asked; after a failure with a message and what was typed."""
        items = (_fill("<li>$words</li>", words=scope_in_words(s)) for s in authorization["scopes"])
        alert = _fill('<p class="bad" role="alert">$message</p>', message=message)
        body = _fill(
            QUESTION,
            client=authorization["client_name"],
            organization=authorization["organization_name"],
            scopes=_Html("\n".join(items)),
            message=alert if message else "",
            authorization_id=authorization["authorization_id"],
            email=email,
            open=_Html(" open") if code_needed else "",
            destination=destination_in_words(authorization["redirect_uri"]),
        )
        return self._page("Allow an application", body, status=status)

    def way_back(self, location: str) -> HTMLResponse:
        """Sends the browser to the application (RFC 6749, section 1.7), by itself or by a link."""
        refresh = _fill(
            '<meta http-equiv="refresh" content="0; url=$location">\n', location=location
        )
        body = _fill(BACK, location=location, destination=destination_in_words(location))
        return self._page("Back to the application", body, head=refresh)

    def wrong_request(self, location: str) -> HTMLResponse:
        """For the person, who alone decides whether to go where the application would hear of it.

        Nobody has logged in, so a redirect by itself would make any link to this server one to
        wherever somebody registered (RFC 9700, section 4.11.2).
        """
        body = _fill(
            WRONG_REQUEST,
            message=request_error_in_words(location),
            location=location,
            destination=destination_in_words(location),
        )
        return self._page("This does not work", body, status=400)

    def failure(self, message: str, *, status: int) -> HTMLResponse:
        """For the person, who can do nothing here but read it."""
        body = _fill(FAILURE, message=message)
        return self._page("This does not work", body, status=status)

    def _page(self, title: str, body: _Html, *, status: int = 200, head: str = "") -> HTMLResponse:
        page = _fill(PAGE, title=title, body=body, head=head, style=_Html(STYLE))
        return HTMLResponse(page, status_code=status, headers=self._headers)
