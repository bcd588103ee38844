"""A person at the consent page, with a browser that runs no scripts."""

from urllib.parse import parse_qsl, urlsplit

import httpx

from headrace_gateway.testing.pages import Form, Page


async def open_form(http: httpx.AsyncClient, url: str) -> Form:
    """The form behind an authorization URL."""
    response = await http.get(url)
    assert response.status_code == 200, response.text
    [form] = Page(response.text).forms
    return form


async def send_form(
    http: httpx.AsyncClient, form: Form, decision: str, **typed: str
) -> httpx.Response:
    """What the server says to the filled-in form."""
    assert decision in form.buttons["decision"]
    assert set(typed) <= set(form.fields)
    data = {**form.fields, **typed, "decision": decision}
    return await http.request(form.method.upper(), form.action, data=data)


async def consent(
    http: httpx.AsyncClient, url: str, *, email: str, password: str, decision: str = "allow"
) -> str:
    """Where the browser goes in the end: back to the application."""
    form = await open_form(http, url)
    response = await send_form(http, form, decision, email=email, password=password)
    assert response.status_code == 200, response.text
    page = Page(response.text)
    assert page.links == [page.refresh]
    return page.refresh


def parameters_of(location: str) -> dict[str, str]:
    """What the application is told there."""
    return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))
