"""The pages of `/oauth2/authorize`: the question, the way back, and what went wrong.

What all pages share is in `pages.py`; these may send a form, to this server alone. Browsers apply
a page's `form-action` to every redirect that follows a form, so an answer that redirected would
need the application's address in it, and that of wherever the application sends people next. The
way back is a page of its own instead, from which the browser goes on.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import HTMLResponse

from headrace_gateway.http.consent_templates import BACK, FAILURE, QUESTION, WRONG_REQUEST
from headrace_gateway.http.consent_words import (
    destination_in_words,
    request_error_in_words,
    scope_in_words,
)
from headrace_gateway.http.pages import Html, Pages, fill


class ConsentPages:
    """Makes the pages; none is kept anywhere, and each may send a form to this server alone."""

    def __init__(self) -> None:
        self._pages = Pages(form_action="'self'")

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
        items = (fill("<li>$words</li>", words=scope_in_words(s)) for s in authorization["scopes"])
        alert = fill('<p class="bad" role="alert">$message</p>', message=message)
        body = fill(
            QUESTION,
            client=authorization["client_name"],
            organization=authorization["organization_name"],
            scopes=Html("\n".join(items)),
            message=alert if message else "",
            authorization_id=authorization["authorization_id"],
            email=email,
            open=Html(" open") if code_needed else "",
            destination=destination_in_words(authorization["redirect_uri"]),
        )
        return self._pages.page("Allow an application", body, status=status)

    def way_back(self, location: str) -> HTMLResponse:
        """Sends the browser to the application (RFC 6749, section 1.7), by itself or by a link."""
        refresh = fill(
            '<meta http-equiv="refresh" content="0; url=$location">\n', location=location
        )
        body = fill(BACK, location=location, destination=destination_in_words(location))
        return self._pages.page("Back to the application", body, head=refresh)

    def wrong_request(self, location: str) -> HTMLResponse:
        """For the person, who alone decides whether to go where the application would hear of it.

        Nobody has logged in, so a redirect by itself would make any link to this server one to
        wherever somebody registered (RFC 9700, section 4.11.2).
        """
        body = fill(
            WRONG_REQUEST,
            message=request_error_in_words(location),
            location=location,
            destination=destination_in_words(location),
        )
        return self._pages.page("This does not work", body, status=400)

    def failure(self, message: str, *, status: int) -> HTMLResponse:
        """For the person, who can do nothing here but read it."""
        body = fill(FAILURE, message=message)
        return self._pages.page("This does not work", body, status=status)
