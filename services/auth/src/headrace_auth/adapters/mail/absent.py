"""A Mailer for installations that send no mail."""

from headrace_auth.domain.mails import Mail
from headrace_common.errors import HeadraceError, Reason


class AbsentMailer:
    """Takes nothing."""

    async def send(self, mail: Mail) -> None:  # noqa: ARG002 - as the port has it
        raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "this installation sends no mail")
