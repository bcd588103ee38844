"""What the settings about accounts and mail accept, and how they refuse the rest."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headrace_auth.adapters.mail.smtp import Encryption
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.settings import AuthSettings

REQUIRED: dict[str, Any] = {
    "database_url": "unused",
    "redis_url": "unused",
    "audit_target": "127.0.0.1:1",
    "key_encryption_key": base64.b64encode(b"k" * 32).decode(),
}


def _settings(**fields: Any) -> AuthSettings:
    return AuthSettings(**REQUIRED, **fields)


def test_who_was_invited_registers_and_nobody_else_unless_it_is_said() -> None:
    assert _settings().registration is RegistrationMode.INVITATION
    assert _settings().smtp_server() is None


def test_links_lead_to_the_public_url_unless_they_are_given() -> None:
    links = _settings(issuer="https://llm.acme.test").links()
    assert links.verify_email("t") == "https://llm.acme.test/verify-email#token=t"
    assert links.reset_password("t") == "https://llm.acme.test/reset-password#token=t"
    assert links.invitation("t") == "https://llm.acme.test/invitation#token=t"
    assert links.log_in_url == "https://llm.acme.test/login"
    links = _settings(
        public_url="https://acme.test", verify_email_url="https://id.acme.test/v#{token}"
    ).links()
    assert links.verify_email("t") == "https://id.acme.test/v#t"
    assert links.log_in_url == "https://acme.test/login"


@pytest.mark.parametrize(
    "issuer",
    ["http://a.test", "https://a.test/", "https://a.test?a", "https://a.test#a", "a.test", ""],
)
def test_an_issuer_is_what_endpoints_can_be_appended_to(issuer: str) -> None:
    with pytest.raises(ValidationError, match="issuer"):
        _settings(issuer=issuer)
    assert _settings(issuer="https://a.test:8443/llm").issuer == "https://a.test:8443/llm"


def test_a_mail_server_is_spoken_to_as_told() -> None:
    server = _settings(
        smtp_host="smtp.acme.test",
        smtp_port=465,
        smtp_encryption="tls",
        smtp_username="u",
        smtp_password="canary",
        smtp_ca_file="/ca.pem",
    ).smtp_server()
    assert server is not None
    assert (server.host, server.port, server.encryption) == (
        "smtp.acme.test",
        465,
        Encryption.TLS,
    )
    assert (server.username, server.password, server.ca_file) == ("u", "canary", Path("/ca.pem"))


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"registration": "open"}, "open registration needs mail"),
        ({"registration": "ajar"}, "registration"),
        ({"mail_folder": "/m", "smtp_host": "h"}, "exclude each other"),
        ({"mail_sender": "a@b.test\nBcc: c@d.test"}, "linefeed"),
        ({"mail_sender": "nobody"}, "sender"),
        ({"smtp_host": "h", "smtp_username": "u"}, "belong together"),
        (
            {
                "smtp_host": "h",
                "smtp_encryption": "none",
                "smtp_username": "u",
                "smtp_password": "canary",
            },
            "needs STARTTLS or TLS",
        ),
        ({"smtp_host": "h", "smtp_port": 0}, "smtp_port"),
        ({"reset_password_url": "https://acme.test/reset?token={token}"}, "reset_password_url"),
        ({"public_url": "acme.test"}, "verify_email_url"),
        ({"minimum_password_length": 11}, "minimum_password_length"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule) as caught:
        _settings(**fields)
    assert "canary" not in str(caught.value)


def test_a_placeholder_is_no_password_of_a_mail_server() -> None:
    with pytest.raises(ValidationError, match="smtp_password"):
        _settings(smtp_host="h", smtp_username="u", smtp_password="changeme")
