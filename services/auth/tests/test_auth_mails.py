"""Mails: what they say, and that no name or address gets into a header."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace_auth.adapters.mail.message import sender_address, to_bytes
from headrace_auth.domain import mails
from headrace_auth.domain.mails import Credential, CredentialNews, Done, Mail, is_plain_address
from headrace_common.errors import HeadraceError, Reason

TO = "member@acme.test"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINK = "https://headrace.test/verify#token=hrv_x"
NEWS = CredentialNews(
    Credential.API_KEY, Done.MADE, "k" * 17, "nightly", ("llm:invoke",), NOW, "192.0.2.7"
)
EVERY_MAIL = [
    mails.verify_email(TO, LINK),
    mails.already_registered(TO, LINK),
    mails.reset_password(TO, LINK),
    mails.invitation(TO, "Acme", "Jane", LINK, NOW),
    mails.invitation(TO, "Acme", "Jane", LINK, NOW, can_register=False),
    mails.password_changed(TO),
    mails.login_method_linked(TO, "GitHub"),
    mails.login_method_unlinked(TO, "GitHub"),
    mails.second_factor_enabled(TO),
    mails.second_factor_disabled(TO),
    mails.recovery_code_used(TO, 3),
    mails.unconfirmed_account(TO, LINK),
    mails.account_taken_over(TO, "GitHub"),
    mails.recovery_codes_renewed(TO),
    mails.credential_news(TO, NEWS, "your account"),
]


@pytest.mark.parametrize("mail", EVERY_MAIL, ids=lambda mail: mail.subject)
def test_every_mail_is_short_and_complete(mail: Mail) -> None:
    assert mail.to == TO
    assert 0 < len(mail.subject) < 60
    assert mail.text.startswith("Hello,\n\n")
    assert mail.text.endswith("\n\nHeadrace\n")
    assert len(mail.text) < 600
    assert "  " not in mail.text


@pytest.mark.parametrize("mail", EVERY_MAIL, ids=lambda mail: mail.subject)
def test_the_only_link_is_the_one_that_was_given(mail: Mail) -> None:
    assert mail.text.count("://") == mail.text.splitlines().count(LINK) <= 1


@given(st.text(), st.text())
def test_names_that_people_chose_stay_in_their_line(organization: str, inviter: str) -> None:
    mail = mails.invitation(TO, organization, inviter, LINK, NOW)
    assert mail.subject.isprintable()
    assert mail.text.count("\n") == EVERY_MAIL[3].text.count("\n")
    assert len(mail.subject) <= 200
    assert len(mail.text) < 800


@given(st.text(), st.text())
def test_the_name_of_a_credential_stays_in_its_line(name: str, account: str) -> None:
    mail = mails.credential_news(TO, replace(NEWS, name=name), f"the service account {account}")
    assert mail.subject == "API key was made"
    assert mail.text.count("\n") == mails.credential_news(TO, NEWS, "x").text.count("\n")
    assert len(mail.text) < 900


def test_what_is_not_known_of_a_credential_is_said() -> None:
    news = replace(NEWS, what=Credential.SIGNING_KEY, scopes=(), source_address="")
    text = mails.credential_news(TO, news, "your account").text
    for part in ("A signing key of your account", "May: nothing", "From: an unknown address"):
        assert part in text


def test_an_organisation_cannot_add_a_header() -> None:
    mail = mails.invitation(TO, "Acme\r\nBcc: victim@acme.test", "Jane\n\nVisit us", LINK, NOW)
    assert mail.subject == "Invitation to Acme Bcc: victim@acme.test"
    assert "Jane Visit us invites you" in mail.text


HOSTILE = st.sampled_from(["=?", "?=", "utf-8?q?", "=0D=0A", "\r\n", "Bcc:", " ", "v@acme.test"])


@given(st.lists(st.one_of(HOSTILE, st.text(max_size=5)), max_size=12).map("".join))
@example("=?utf-8?q?a=0D=0ABcc:_v@acme.test?=")
@example("=?utf-8?b?DQpCY2M6IHY=?=")
def test_no_name_makes_a_header(name: str) -> None:
    raw = to_bytes(mails.invitation(TO, name, name, LINK, NOW), sender_address(TO), NOW)
    headers = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert [line.partition(b":")[0].lower() for line in headers if line[:1] not in b" \t"] == [
        *(b"from", b"to", b"subject", b"date", b"message-id", b"auto-submitted"),
        *(b"content-type", b"content-transfer-encoding", b"mime-version"),
    ]


@pytest.mark.parametrize(
    "subject", ["a\r\nBcc: b@acme.test", "a\n", "\0", "x" * 201, "=?utf-8?q?=0D=0ABcc:_x?="]
)
def test_a_subject_is_one_line_in_plain_characters(subject: str) -> None:
    with pytest.raises(ValueError, match="a subject"):
        Mail(TO, subject, "")


@pytest.mark.parametrize("address", [TO, "o'hara+tag@mail.acme.test", "a@b", "A_b-c.d@x-y.test"])
def test_a_plain_address_is_accepted(address: str) -> None:
    assert Mail(address, "", "").to == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a@",
        "@b",
        "a b@acme.test",
        "a@acme.test, b@acme.test",
        "a@acme.test;b@acme.test",
        "Jane <a@acme.test>",
        "<a@acme.test>",
        "a@acme.test\r\nBcc: b@acme.test",
        "a@acme.test\n",
        "a@acme.test> SIZE=1",
        '"a b"@acme.test',
        "a@b@acme.test",
        "a..b@acme.test",
        "a@acme..test",
        "a@[192.0.2.1]",
        "(comment)a@acme.test",
        "jörg@acme.test",
        "a@büro.test",
        "x" * 250 + "@acme.test",
    ],
)
def test_anything_but_one_plain_address_is_refused(address: str) -> None:
    assert not is_plain_address(address)
    with pytest.raises(HeadraceError) as caught:
        Mail(address, "", "")
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "email")


@given(st.text())
def test_a_plain_address_has_nothing_that_headers_or_commands_know(text: str) -> None:
    address = f"{text}@acme.test"
    if is_plain_address(address):
        assert address.isascii()
        assert address.isprintable()
        assert not set(' <>()[],;:\\"') & set(address)


def test_the_repr_shows_neither_address_nor_link() -> None:
    shown = repr(EVERY_MAIL[0])
    assert LINK not in shown
    assert TO not in shown


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail@headrace.test", ""),
        ("Headrace <mail@headrace.test>", "Headrace"),
        ('"Headrace, Inc." <mail@headrace.test>', "Headrace, Inc."),
        ("Wehr größer <mail@headrace.test>", "Wehr größer"),
    ],
)
def test_a_sender_may_have_a_name(text: str, name: str) -> None:
    sender = sender_address(text)
    assert (sender.display_name, sender.addr_spec) == (name, "mail@headrace.test")


@pytest.mark.parametrize(
    "text", ["", "headrace", "a@b.test, c@d.test", "X\r\nBcc: a@b.test <c@d.test>", "a@b.test x"]
)
def test_a_sender_is_one_address(text: str) -> None:
    with pytest.raises(ValueError):
        sender_address(text)
