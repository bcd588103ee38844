"""A Mailer that keeps what it is given, for tests and trials."""

from headrace_auth.domain.mails import Mail
from headrace_common.errors import HeadraceError, Reason


class MemoryMailer:
    """All mails in `sent`, oldest first; while `is_down` is set it takes none."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.is_down = False

    async def send(self, mail: Mail) -> None:
        if self.is_down:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "mail cannot be sent now")
        self.sent.append(mail)
