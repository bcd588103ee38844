"""New passwords for whoever knows the old one, and what ends with the old one."""

from dataclasses import replace
from datetime import datetime

from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases.accounts import mailed_tokens
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn, SessionOpener
from headrace_auth.use_cases.sessions.own_sessions import end_everything
from headrace_common.errors import credential_invalid

NEW_PASSWORD = "new_password"  # noqa: S105 - the field's name


class PasswordSetter:
    """Sets a password and ends what the old one opened."""

    def __init__(self, outgoing_mail: OutgoingMail) -> None:
        self._outgoing_mail = outgoing_mail

    async def set(
        self, act: Act, user_id: str, password_hash: str, *, verified_at: datetime | None = None
    ) -> User:
        """The user as it is then: no session, access token or token from a mail is good."""
        user = await end_everything(act, user_id)
        if user is None:
            raise credential_invalid()
        later = replace(
            user,
            password_hash=password_hash,
            email_verified_at=verified_at or user.email_verified_at,
        )
        await act.change(user, later, "set_password", user_id=user_id)
        await mailed_tokens.void_all(act, user_id)
        self._outgoing_mail.tell(act, user, mails.password_changed)
        return later


class PasswordChange:
    """For people who know theirs, and have their second factor."""

    def __init__(
        self,
        reauthentication: Reauthentication,
        new_passwords: NewPasswords,
        setter: PasswordSetter,
        opener: SessionOpener,
    ) -> None:
        self._reauthentication = reauthentication
        self._new_passwords = new_passwords
        self._setter = setter
        self._opener = opener

    async def change(self, caller: Caller, current: str, new: str, *, code: str = "") -> LoggedIn:
        """A new session in the same organisation, the only one that is left.

        Raises PERMISSION_DENIED, LOGIN_FAILED, SECOND_FACTOR_REQUIRED, LOGIN_THROTTLED,
        INVALID_FIELD (`new_password`), QUEUE_FULL and DEPENDENCY_UNAVAILABLE.
        """
        principal = caller.identified()
        authorize(principal, Action.CHANGE_PASSWORD)
        proven = await self._reauthentication.prove(caller, current)
        password_hash = await self._new_passwords.hash(
            new, about=(proven.email or "", proven.name), param=NEW_PASSWORD
        )
        async with self._reauthentication.begin(caller, proven, code=code) as (act, user):
            changed = await self._setter.set(act, user.user_id, password_hash)
            opened = await self._opener.open(act, changed, principal.member.organization_id)
        return await self._opener.tokens(opened)
