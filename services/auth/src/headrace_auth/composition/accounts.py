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
from headrace_auth.use_cases.accounts.email_verification import EmailVerification
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.accounts.own_second_factor import OwnSecondFactor
from headrace_auth.use_cases.accounts.password_change import PasswordChange, PasswordSetter
from headrace_auth.use_cases.accounts.password_reset import PasswordReset
from headrace_auth.use_cases.accounts.registration import Registration
from headrace_auth.use_cases.directory.taking_invitations import OwnInvitations
from headrace_auth.use_cases.even_time import EvenTime
from headrace_auth.use_cases.sessions.own_sessions import OwnSessions
from headrace_auth.use_cases.start import Bootstrap


def session_servicer(identity: Identity, new_passwords: NewPasswords) -> SessionServicer:
    """Logging in and out, and the first owner by a token."""
    token = identity.settings.bootstrap_token
    return SessionServicer(
        callers=identity.callers,
        login=identity.login,
        sessions=create_own_sessions(identity),
        bootstrap=Bootstrap(
            identity.acts, new_passwords, token=token.get_secret_value() if token else ""
        ),
        metrics=identity.metrics,
    )


def create_own_sessions(identity: Identity) -> OwnSessions:
    """What people do with the sessions that they have."""
    return OwnSessions(identity.acts, identity.opener)


def account_servicer(identity: Identity, new_passwords: NewPasswords) -> AccountServicer:
    """What people do with their own accounts."""
    accounts = create_accounts(identity, new_passwords, EvenTime(identity.clock))
    return AccountServicer(callers=identity.callers, accounts=accounts)


def create_accounts(
    identity: Identity, new_passwords: NewPasswords, even_time: EvenTime
) -> Accounts:
    """The use cases of people's own accounts; strangers' questions take even time."""
    acts, outgoing_mail = identity.acts, identity.outgoing_mail
    proof, setter = identity.reauthentication, PasswordSetter(outgoing_mail)
    return Accounts(
        registration=_registration(identity, new_passwords, even_time),
        verification=_verification(identity, even_time),
        invitations=OwnInvitations(acts, proof),
        password_reset=_password_reset(identity, new_passwords, setter, even_time),
        password_change=PasswordChange(proof, new_passwords, setter, identity.opener),
        second_factor=OwnSecondFactor(
            acts, proof, identity.second_factors, identity.sealer, outgoing_mail
        ),
    )


def _registration(
    identity: Identity, new_passwords: NewPasswords, even_time: EvenTime
) -> Registration:
    return Registration(
        identity.acts,
        new_passwords,
        identity.throttles.requests,
        identity.throttles.mailboxes,
        identity.outgoing_mail,
        even_time,
        mode=identity.settings.registration,
    )


def _verification(identity: Identity, even_time: EvenTime) -> EmailVerification:
    return EmailVerification(
        identity.acts,
        identity.login,
        identity.throttles.logins,
        identity.throttles.requests,
        identity.throttles.mailboxes,
        identity.outgoing_mail,
        even_time,
    )


def _password_reset(
    identity: Identity, new_passwords: NewPasswords, setter: PasswordSetter, even_time: EvenTime
) -> PasswordReset:
    return PasswordReset(
        identity.acts,
        new_passwords,
        identity.throttles.requests,
        identity.throttles.mailboxes,
        identity.throttles.logins,
        setter,
        identity.outgoing_mail,
        even_time,
    )


def create_new_passwords(identity: Identity, breached: BreachedPasswords) -> NewPasswords:
    """What every new password passes."""
    minimum = identity.settings.minimum_password_length
    return NewPasswords(identity.passwords, breached, minimum_length=minimum)


def load_breached_passwords(settings: AuthSettings) -> BreachedPasswords:
    """Those that ship and the operator's; raises ValueError if the file is none."""
    file = settings.breached_passwords_file
    if file is None:
        return common_passwords()
    return BreachedPasswordLists(common_passwords(), BreachedPasswordFile(file))
