"""Links in mails of an installation without a front end lead to pages that the gateway has."""

from urllib.parse import urlsplit

import pytest

from headrace_auth.settings import AuthSettings
from headrace_auth.testing.service import running_auth
from headrace_common.testing.clock import FakeClock
from headrace_gateway.testing.gateway import running_gateway


@pytest.fixture
async def settings() -> AuthSettings:
    async with running_auth(FakeClock()) as auth:
        return auth.settings


@pytest.mark.parametrize("name", ["verify_email", "reset_password", "invitation", "log_in_url"])
async def test_a_link_by_default_leads_to_a_page(settings: AuthSettings, name: str) -> None:
    links = settings.links()
    url = links.log_in_url if name == "log_in_url" else getattr(links, name)("hrx_secret")
    parts = urlsplit(url)
    assert (f"{parts.scheme}://{parts.netloc}", parts.query) == (settings.issuer, "")
    async with running_gateway() as gateway:
        response = await gateway.client.get(parts.path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    # Where the page says that the token is, there it is.
    assert name == "log_in_url" or parts.fragment == "token=hrx_secret"
