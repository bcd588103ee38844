"""Proving that an account's address is read by whoever registered with it."""

from dataclasses import replace

from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.refusals import token_invalid
from headrace_auth.domain.registration import mail_address
from headrace_auth.domain.sessions import Purpose
from headrace_auth.use_cases.accounts import mailed_tokens
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.even_time import EvenTime
from headrace_auth.use_cases.logins.login import Login, still_proven
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.mailbox_throttle import MailboxThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail


class EmailVerification:
    """Takes and sends again the tokens that registering sends."""

    def __init__(
        self,
        acts: Acts,
        login: Login,
        login_throttle: LoginThrottle,
        request_throttle: AddressThrottle,
        mailbox_throttle: MailboxThrottle,
        outgoing_mail: OutgoingMail,
        even_time: EvenTime,
    ) -> None:
        self._acts = acts
        self._login = login
        self._login_throttle = login_throttle
        self._request_throttle = request_throttle
        self._mailbox_throttle = mailbox_throttle
        self._outgoing_mail = outgoing_mail
        self._even_time = even_time

    async def verify(self, caller: Caller, token_text: str, password: str) -> None:
        """The address is proven, if token and password belong to one account.

        The token alone is not enough: its reader would open to a stranger the account that the
        stranger registered with the reader's address. Who has no password to show resets it.
        Raises INVALID_FIELD (`token`), and what `Login.prove` raises; then the token stays good.
        """
        # Looked at first: hashing is work that strangers should not get for the asking.
        async with self._acts.begin(caller) as act:
            token = await mailed_tokens.look_up(act, Purpose.VERIFY_EMAIL, token_text)
            owner = await act.of(User).get(token.user_id)
        if owner is None or owner.email is None:
            raise token_invalid()
        proven = await self._login.prove(caller, owner.email, password, self._login_throttle)
        async with self._acts.begin(caller) as act:
            user = await still_proven(act, proven)
            await mailed_tokens.use(act, Purpose.VERIFY_EMAIL, token_text)
            await self._login_throttle.succeeded(act, owner.email)
            verified = replace(user, email_verified_at=user.email_verified_at or act.now)
            await act.change(user, verified, "verify_email", user_id=user.user_id)
            await mailed_tokens.void(act, Purpose.VERIFY_EMAIL, user.user_id)

    async def resend(self, caller: Caller, email: str) -> None:
        """Send another token if there is an account that waits for one; the caller never learns.

        Raises INVALID_FIELD and REQUEST_RATE_LIMITED, whether or not there is an account.
        """
        address = mail_address(email)
        await self._request_throttle.begin(caller)
        async with self._even_time.whole_steps(), self._acts.begin(caller) as act:
            user = await self._mailbox_throttle.count_mail_and_find_user(act, address)
            if user is None or user.email_verified_at is not None:
                return
            token = await mailed_tokens.issue(act, Purpose.VERIFY_EMAIL, user.user_id)
            mail = mails.verify_email(address, self._outgoing_mail.links.verify_email(token))
            self._outgoing_mail.post(act, mail)
