"""Whether a login needs a second factor, and whether a code is one; no code counts twice."""

from dataclasses import replace
from functools import partial

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.second_factor import matching_step, recovery_code_digest
from headrace_auth.domain import mails
from headrace_auth.domain.directory import User
from headrace_auth.domain.refusals import login_failed, second_factor_required
from headrace_auth.domain.sessions import RecoveryCode, SecondFactor
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_auth.use_cases.second_factor import has_second_factor
from headrace_common.clock import Clock


class SecondFactors:
    """What a login asks, within its act."""

    def __init__(self, sealer: Sealer, clock: Clock, outgoing_mail: OutgoingMail) -> None:
        self._sealer = sealer
        self._clock = clock
        self._outgoing_mail = outgoing_mail

    async def check(self, act: Act, user_id: str, code: str) -> None:
        """What everybody who proves a password goes through; without a second factor nothing.

        Raises SECOND_FACTOR_REQUIRED without a `code`, LOGIN_FAILED for a wrong one.
        """
        if not await has_second_factor(act, user_id):
            return
        if not code:
            raise second_factor_required()
        if not await self.accept(act, user_id, code):
            raise login_failed()

    async def accept(self, act: Act, user_id: str, code: str) -> bool:
        """Whether `code` is a code of now or a recovery code, which is then used up.

        The record is locked until the act ends: of two logins with one code, one is accepted.
        """
        factor = await act.of(SecondFactor).get(user_id, lock=True)
        if factor is None or factor.confirmed_at is None:
            return False
        later = self.after_code(factor, code)
        if later is not None:
            await act.of(SecondFactor).put(later)
            return True
        return await self._accept_recovery_code(act, user_id, code)

    def after_code(self, factor: SecondFactor, code: str) -> SecondFactor | None:
        """The factor once this code of the app was used; None if it is wrong, old or used."""
        secret = self._sealer.open(factor.sealed_secret, sealing_name(factor.user_id)).decode()
        # Not the act's beginning: it may have waited for the lock.
        step = matching_step(secret, code, self._clock.now())
        if step is None or step <= factor.last_step:
            return None
        return replace(factor, last_step=step)

    async def _accept_recovery_code(self, act: Act, user_id: str, code: str) -> bool:
        digest = recovery_code_digest(code)
        known = await act.of(RecoveryCode).get(user_id, digest) if digest else None
        if known is None or known.used_at is not None:
            return False
        await act.of(RecoveryCode).put(replace(known, used_at=act.now))
        await act.warn("recovery_code_used", f"second_factor:{user_id}", user_id=user_id)
        await self._tell_owner(act, user_id)
        return True

    async def _tell_owner(self, act: Act, user_id: str) -> None:
        user = await act.of(User).get(user_id)
        remaining = await act.of(RecoveryCode).find(user_id=user_id, used_at=None)
        if user is not None:
            write = partial(mails.recovery_code_used, remaining=len(remaining))
            self._outgoing_mail.tell(act, user, write)


def sealing_name(user_id: str) -> str:
    """The name that a user's secret is sealed for: another user's record cannot hold it."""
    return f"second_factor:{user_id}"
