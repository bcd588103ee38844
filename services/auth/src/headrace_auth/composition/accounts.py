"""People's own accounts: sessions, registration, passwords, second factor."""

from headrace_auth.adapters.breached_passwords import (
    BreachedPasswordFile,
    BreachedPasswordLists,
    common_passwords,
)
from headrace_auth.composition.identity import Identity
from headrace_auth.ports import BreachedPasswords
from headrace_auth.servicers.accounts import Accounts, AccountServicer
from headrace_auth.servicers.sessions import SessionServicer
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.email_verification import EmailVerification
from headrace_auth.use_cases.even_time import STEP_SECONDS
from headrace_auth.use_cases.new_passwords import NewPasswords
from headrace_auth.use_cases.own_invitations import OwnInvitations
from headrace_auth.use_cases.own_second_factor import OwnSecondFactor
from headrace_auth.use_cases.own_sessions import OwnSessions
from headrace_auth.use_cases.password_change import PasswordChange, PasswordSetter
from headrace_auth.use_cases.password_reset import PasswordReset
from headrace_auth.use_cases.registration import Registration
from headrace_auth.use_cases.start import Bootstrap


def session_servicer(identity: Identity, new_passwords: NewPasswords) -> SessionServicer:
    """Logging in and out, and the first owner by a token."""
    token = identity.settings.bootstrap_token
    return SessionServicer(
        callers=identity.callers,
        login=identity.login,
        sessions=OwnSessions(identity.acts, identity.opener, identity.second_factors),
        bootstrap=Bootstrap(
            identity.acts, new_passwords, token=token.get_secret_value() if token else ""
        ),
        metrics=identity.metrics,
    )


def account_servicer(identity: Identity, new_passwords: NewPasswords) -> AccountServicer:
    """What people do with their own accounts."""
    acts, throttle, letters = identity.acts, identity.throttle, identity.letters
    asking = identity.asking
    setter = PasswordSetter(letters)
    proof = identity.reauthentication
    accounts = Accounts(
        registration=Registration(
            acts,
            new_passwords,
            asking,
            letters,
            mode=identity.settings.registration,
            step_seconds=STEP_SECONDS,
        ),
        verification=EmailVerification(
            acts, identity.login, throttle, asking, letters, step_seconds=STEP_SECONDS
        ),
        invitations=OwnInvitations(acts, proof),
        password_reset=PasswordReset(
            acts, new_passwords, asking, throttle, setter, letters, step_seconds=STEP_SECONDS
        ),
        password_change=PasswordChange(proof, new_passwords, setter, identity.opener),
        second_factor=OwnSecondFactor(
            acts, proof, identity.second_factors, identity.sealer, letters
        ),
    )
    return AccountServicer(callers=identity.callers, accounts=accounts)


def create_new_passwords(identity: Identity) -> NewPasswords:
    """What every new password passes; raises ValueError if the file of known ones is none."""
    settings = identity.settings
    return NewPasswords(
        identity.passwords,
        _breached_passwords(settings),
        minimum_length=settings.minimum_password_length,
    )


def _breached_passwords(settings: AuthSettings) -> BreachedPasswords:
    file = settings.breached_passwords_file
    if file is None:
        return common_passwords()
    return BreachedPasswordLists(common_passwords(), BreachedPasswordFile(file))
