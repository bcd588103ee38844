"""Links in mails hold their token where no server sees it."""

from dataclasses import replace

import pytest

from headrace_auth.testing.settings import LINKS


def test_a_token_takes_its_place() -> None:
    assert LINKS.verify_email("t") == "https://headrace.test/verify#t"
    assert LINKS.reset_password("t") == "https://headrace.test/reset#t"
    assert LINKS.invitation("t") == "https://headrace.test/invitation#t"


@pytest.mark.parametrize(
    "url",
    [
        "https://headrace.test/verify",
        "https://headrace.test/verify?token={token}",
        "https://headrace.test/{token}#here",
        "https://headrace.test/{token}#{token}",
        "https://headrace.test/#{token}{token}",
        "javascript:alert(1)#{token}",
        "//headrace.test/#{token}",
        "/verify#{token}",
        "https:///verify#{token}",
        "https://headrace.test/\r\nBcc: x#{token}",
        "https://headrace.test/a b#{token}",
        "https://münchen.test/#{token}",
        "https://headrace.test:port/#{token}",
        "",
    ],
)
@pytest.mark.parametrize("name", ["verify_email_url", "reset_password_url", "invitation_url"])
def test_any_other_link_is_refused(name: str, url: str) -> None:
    with pytest.raises(ValueError, match=name):
        replace(LINKS, **{name: url})


def test_a_page_to_log_in_needs_no_token() -> None:
    replace(LINKS, log_in_url="https://headrace.test/login")
    with pytest.raises(ValueError, match="log_in_url"):
        replace(LINKS, log_in_url="ftp://headrace.test/")
