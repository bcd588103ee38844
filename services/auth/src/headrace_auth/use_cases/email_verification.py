"""Proving that an account's address is read by its owner."""

from dataclasses import replace

from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.refusals import token_invalid
from headrace_auth.domain.registration import mail_address
from headrace_auth.domain.sessions import Purpose
from headrace_auth.use_cases import one_time
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.asking import AskingThrottle
from headrace_auth.use_cases.even_time import even_time
from headrace_auth.use_cases.letters import Letters


class EmailVerification:
    """Takes and sends again the tokens that registering sends."""

    def __init__(
        self,
        acts: Acts,
        asking: AskingThrottle,
        letters: Letters,
        *,
        step_seconds: float,
    ) -> None:
        self._acts = acts
        self._asking = asking
        self._letters = letters
        self._step_seconds = step_seconds

    async def verify(self, caller: Caller, token_text: str) -> None:
        """Raises INVALID_FIELD (`token`)."""
        async with self._acts.begin(caller) as act:
            token = await one_time.use(act, Purpose.VERIFY_EMAIL, token_text)
            user = await act.of(User).get(token.user_id, lock=True)
            if user is None:
                raise token_invalid()
            verified = replace(user, email_verified_at=user.email_verified_at or act.now)
            await act.change(user, verified, "verify_email", user_id=user.user_id)
            await one_time.void(act, Purpose.VERIFY_EMAIL, user.user_id)

    async def resend(self, caller: Caller, email: str) -> None:
        """Send another token if there is an account that waits for one; the caller never learns.

        Raises INVALID_FIELD and REQUEST_RATE_LIMITED, whether or not there is an account.
        """
        address = mail_address(email)
        await self._asking.begin(caller)
        async with even_time(self._step_seconds), self._acts.begin(caller) as act:
            user = await self._asking.reader_of(act, address)
            if user is None or user.email_verified_at is not None:
                return
            token = await one_time.issue(act, Purpose.VERIFY_EMAIL, user.user_id)
            mail = mails.verify_email(address, self._letters.links.verify_email(token))
            self._letters.post(act, mail)
