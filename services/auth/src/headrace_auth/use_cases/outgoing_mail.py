"""Mail that an act causes: sent when the act is committed, and never if it is undone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from headrace_auth.domain.directory import User
from headrace_auth.domain.links import Links
from headrace_auth.domain.mails import Mail, is_plain_address
from headrace_auth.ports import Mailer
from headrace_auth.use_cases.acts import Act


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """Where mail goes, and where the links in it lead; the mailer never raises."""

    mailer: Mailer
    links: Links

    def post(self, act: Act, mail: Mail) -> None:
        """Send this mail once the act is committed."""
        act.once_kept(partial(self.mailer.send, mail))

    def tell(self, act: Act, user: User, write: Callable[[str], Mail]) -> None:
        """Write to the user; one whom no mail can reach is not told."""
        if user.email is not None and is_plain_address(user.email):
            self.post(act, write(user.email))
