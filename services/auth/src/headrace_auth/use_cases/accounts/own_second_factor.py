"""What people do with their own second factor: start, confirm, remove, get new recovery codes."""

from dataclasses import dataclass, field, replace

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.second_factor import new_recovery_codes, new_secret, provisioning_uri
from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.refusals import already_exists, invalid_field, not_found
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.domain.sessions import RecoveryCode, SecondFactor
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
from headrace_auth.use_cases.logins.second_factors import SecondFactors, sealing_name
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_common.errors import credential_invalid


@dataclass(frozen=True, slots=True)
class StartedSecondFactor:
    """What an authenticator app is given, once: the secret in base32, and as `otpauth:` URI."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class OwnSecondFactor:
    """Acts for a person who has logged in; the password is asked for again.

    Every method may raise PERMISSION_DENIED, and those that take a password what
    `Reauthentication` raises for it and for the code.
    """

    def __init__(
        self,
        acts: Acts,
        reauthentication: Reauthentication,
        second_factors: SecondFactors,
        sealer: Sealer,
        outgoing_mail: OutgoingMail,
    ) -> None:
        self._acts = acts
        self._reauthentication = reauthentication
        self._second_factors = second_factors
        self._sealer = sealer
        self._outgoing_mail = outgoing_mail

    async def start(self, caller: Caller, password: str) -> StartedSecondFactor:
        """A secret that counts once it is confirmed; raises ALREADY_EXISTS if one counts."""
        authorize(caller.identified(), Action.START_SECOND_FACTOR)
        proven = await self._reauthentication.prove(caller, password)
        secret = new_secret()
        async with self._reauthentication.begin(caller, proven, code=None) as (act, user):
            known = await act.of(SecondFactor).get(user.user_id, lock=True)
            if known is not None and known.confirmed_at is not None:
                raise already_exists(SecondFactor.KIND.name)
            sealed = self._sealer.seal(secret.encode(), sealing_name(user.user_id))
            factor = SecondFactor(user.user_id, sealed, act.now)
            await (act.change(known, factor, "start") if known else act.add(factor, "start"))
        return StartedSecondFactor(secret, provisioning_uri(secret, user.email or ""))

    async def confirm(self, caller: Caller, code: str) -> tuple[str, ...]:
        """Recovery codes; from now on logins need a code.

        Raises INVALID_FIELD (`code`), or RESOURCE_NOT_FOUND if nothing was started.
        """
        principal = caller.identified()
        authorize(principal, Action.CONFIRM_SECOND_FACTOR)
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(principal.member.user_id)
            factor = await act.of(SecondFactor).get(principal.member.user_id, lock=True)
            if user is None:
                raise credential_invalid()
            if factor is None or factor.confirmed_at is not None:
                raise not_found(SecondFactor.KIND.name)
            later = self._second_factors.after_code(factor, code)
            if later is None:
                raise invalid_field("code", "not the one that the app shows now")
            await act.change(factor, replace(later, confirmed_at=act.now), "confirm")
            self._outgoing_mail.tell(act, user, mails.second_factor_enabled)
            return await _renew_recovery_codes(act, user.user_id)

    async def remove(self, caller: Caller, password: str, code: str) -> None:
        """Logins need no code any more; raises RESOURCE_NOT_FOUND without a confirmed factor."""
        authorize(caller.identified(), Action.REMOVE_SECOND_FACTOR)
        proven = await self._reauthentication.prove(caller, password)
        async with self._reauthentication.begin(caller, proven, code=code) as (act, user):
            await act.remove(await _confirmed(act, user))
            await _forget_recovery_codes(act, user.user_id)
            self._outgoing_mail.tell(act, user, mails.second_factor_disabled)

    async def renew_recovery_codes(
        self, caller: Caller, password: str, code: str
    ) -> tuple[str, ...]:
        """Ten new codes instead of all old ones; raises RESOURCE_NOT_FOUND as `remove`."""
        authorize(caller.identified(), Action.NEW_RECOVERY_CODES)
        proven = await self._reauthentication.prove(caller, password)
        async with self._reauthentication.begin(caller, proven, code=code) as (act, user):
            factor = await _confirmed(act, user)
            await act.warn("recovery_codes_renewed", f"second_factor:{factor.user_id}")
            self._outgoing_mail.tell(act, user, mails.recovery_codes_renewed)
            return await _renew_recovery_codes(act, user.user_id)


async def _confirmed(act: Act, user: User) -> SecondFactor:
    factor = await act.of(SecondFactor).get(user.user_id)
    if factor is None or factor.confirmed_at is None:
        raise not_found(SecondFactor.KIND.name)
    return factor


async def _renew_recovery_codes(act: Act, user_id: str) -> tuple[str, ...]:
    await _forget_recovery_codes(act, user_id)
    new = new_recovery_codes()
    # Their digests are their keys, and keys are in audit events: these are not told one by one.
    for digest in new.digests:
        await act.of(RecoveryCode).add(RecoveryCode(user_id, digest, act.now))
    return new.codes


async def _forget_recovery_codes(act: Act, user_id: str) -> None:
    codes = act.of(RecoveryCode)
    for code in await codes.find(user_id=user_id):
        await codes.remove(user_id, code.code_sha256)
