"""The suite that every Mailer must pass; each adapter's test class inherits it."""

import asyncio
from collections.abc import Callable

import pytest

from headrace_auth.domain.mails import Mail
from headrace_auth.ports import Mailer
from headrace_common.errors import HeadraceError, Reason

MAIL = Mail("member@acme.test", "Hello", "Hello,\n\nthis is a text.\n")
AWKWARD_MAILS = [
    Mail("o'hara+tag@acme.test", "", "x\n"),
    Mail(MAIL.to, "Grüße an 東京 ☃ " + "und noch mehr " * 12, "Größe: 東京 ☃\n" * 20),
    Mail(MAIL.to, "To: other@acme.test", ".\n..\n.\n.x\nFrom here on\n\n\n"),
    Mail(
        MAIL.to,
        "=3D ?q? = ?utf-8?q?x?= a@b <c@d> (e)",
        "https://headrace.test/?token=" + "x" * 900 + "\n",
    ),
    Mail(MAIL.to, "long", "=3D and = and " * 200 + "\n"),
]


class MailerSuite:
    """Subclasses provide fixtures: a `mailer`, what it `delivered`, and one that is `broken`."""

    async def test_a_mail_arrives(
        self, mailer: Mailer, delivered: Callable[[], list[Mail]]
    ) -> None:
        await mailer.send(MAIL)
        assert delivered() == [MAIL]

    @pytest.mark.parametrize("mail", AWKWARD_MAILS, ids=range(len(AWKWARD_MAILS)))
    async def test_a_mail_arrives_as_it_was_written(
        self, mailer: Mailer, delivered: Callable[[], list[Mail]], mail: Mail
    ) -> None:
        await mailer.send(mail)
        assert delivered() == [mail]

    async def test_mails_that_are_sent_at_once_all_arrive(
        self, mailer: Mailer, delivered: Callable[[], list[Mail]]
    ) -> None:
        mails = [Mail(f"member{n}@acme.test", f"{n}", f"{n}\n") for n in range(20)]
        await asyncio.gather(*map(mailer.send, mails))
        assert sorted(delivered(), key=lambda mail: int(mail.subject)) == mails

    async def test_a_failure_is_an_outage_and_quotes_nothing(self, broken: Mailer) -> None:
        with pytest.raises(HeadraceError) as caught:
            await broken.send(MAIL)
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
        assert MAIL.to not in caught.value.message
