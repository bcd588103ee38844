"""New passwords for whoever reads the account's mail."""

from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.refusals import token_invalid
from headrace_auth.domain.registration import mail_address
from headrace_auth.domain.sessions import OneTimeToken, Purpose
from headrace_auth.use_cases.accounts import mailed_tokens
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.accounts.password_change import NEW_PASSWORD, PasswordSetter
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.even_time import EvenTime
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.mailbox_throttle import MailboxThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail


class PasswordReset:
    """For people who forgot theirs. It neither logs in nor spares anybody the second factor."""

    def __init__(
        self,
        acts: Acts,
        new_passwords: NewPasswords,
        request_throttle: AddressThrottle,
        mailbox_throttle: MailboxThrottle,
        login_throttle: LoginThrottle,
        setter: PasswordSetter,
        outgoing_mail: OutgoingMail,
        even_time: EvenTime,
    ) -> None:
        self._acts = acts
        self._new_passwords = new_passwords
        self._request_throttle = request_throttle
        self._mailbox_throttle = mailbox_throttle
        self._login_throttle = login_throttle
        self._setter = setter
        self._outgoing_mail = outgoing_mail
        self._even_time = even_time

    async def request(self, caller: Caller, email: str) -> None:
        """Send a token if there is an account; the caller never learns.

        Raises INVALID_FIELD and REQUEST_RATE_LIMITED, whether or not there is an account.
        """
        address = mail_address(email)
        await self._request_throttle.begin(caller)
        async with self._even_time.whole_steps(), self._acts.begin(caller) as act:
            user = await self._mailbox_throttle.count_mail_and_find_user(act, address)
            if user is None:
                return
            token = await mailed_tokens.issue(act, Purpose.RESET_PASSWORD, user.user_id)
            about = {"user_id": user.user_id}
            await act.warn("password_reset_requested", f"user:{user.user_id}", **about)
            mail = mails.reset_password(address, self._outgoing_mail.links.reset_password(token))
            self._outgoing_mail.post(act, mail)

    async def reset(self, caller: Caller, token_text: str, password: str) -> None:
        """Raises INVALID_FIELD (`token`, `new_password`), QUEUE_FULL, DEPENDENCY_UNAVAILABLE."""
        # Looked at first: hashing is work that strangers should not get for the asking.
        async with self._acts.begin(caller) as act:
            token = await mailed_tokens.look_up(act, Purpose.RESET_PASSWORD, token_text)
            user = await self._owner(act, token)
        password_hash = await self._new_passwords.hash(
            password, about=(user.email or "", user.name), param=NEW_PASSWORD
        )
        async with self._acts.begin(caller) as act:
            # The person before the token: setting the password makes all other tokens void, so
            # whoever held one while waiting for the person would wait for ever.
            user = await self._owner(act, token, lock=True)
            await mailed_tokens.use(act, Purpose.RESET_PASSWORD, token_text)
            # The mail was read at this address.
            verified_at = user.email_verified_at or act.now
            await self._setter.set(act, user.user_id, password_hash, verified_at=verified_at)
            await self._login_throttle.succeeded(act, user.email or "")

    async def _owner(self, act: Act, token: OneTimeToken, *, lock: bool = False) -> User:
        user = await act.of(User).get(token.user_id, lock=lock)
        if user is None or user.disabled_at is not None:
            raise token_invalid()
        return user
