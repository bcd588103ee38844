"""`/api/v1/auth`: making an account, its address, its password, its second factor."""

from headrace_gateway.domain.exchange import Activity
from headrace_gateway.http.account_routes import AccountRoute, Shape, as_it_is
from headrace_gateway.http.accounts.fields import (
    Code,
    Email,
    OptionalCode,
    OptionalName,
    Password,
    Token,
)
from headrace_gateway.http.accounts.sessions import Proof, tokens
from headrace_gateway.http.bodies import Body


class RegisterBody(Body):
    """`POST /api/v1/auth/register`."""

    email: Email
    password: Password
    name: OptionalName = ""
    invitation_token: Token | None = None
    organization_name: OptionalName = ""


class EmailBody(Body):
    """Names an account, whether or not it exists."""

    email: Email


class VerifyEmailBody(Body):
    """`POST /api/v1/auth/email/verify`."""

    token: Token
    password: Password


class AcceptInvitationBody(Proof):
    """`POST /api/v1/auth/invitations/accept`."""

    token: Token


class ResetPasswordBody(Body):
    """`POST /api/v1/auth/password/reset`."""

    token: Token
    new_password: Password


class ChangePasswordBody(Body):
    """`POST /api/v1/auth/password`."""

    current_password: Password
    new_password: Password
    code: OptionalCode = ""


class PasswordBody(Body):
    """Proves again who asks."""

    password: Password


class CodeBody(Body):
    """`POST /api/v1/auth/second-factor/confirm`."""

    code: Code


class PasswordAndCodeBody(Body):
    """Proves again who asks, by both factors."""

    password: Password
    code: Code


def _post(
    path: str,
    call: str,
    summary: str,
    body: type[Body],
    *,
    answer: Shape = as_it_is,
    status: int = 200,
    open_: bool = False,
) -> AccountRoute:
    return AccountRoute(
        "POST",
        f"/api/v1/auth/{path}",
        f"AccountService/{call}",
        summary,
        answer,
        activity=Activity.SESSION,
        body=body,
        status=status,
        open=open_,
    )


ROUTES = (
    _post(
        "register",
        "Register",
        "Make an account; what happens next is told by mail",
        RegisterBody,
        status=202,
        open_=True,
    ),
    _post(
        "email/verify",
        "VerifyEmail",
        "Prove your address by the token that was sent to it, and your password",
        VerifyEmailBody,
        open_=True,
    ),
    _post(
        "email/resend",
        "ResendVerification",
        "Have the token sent again",
        EmailBody,
        status=202,
        open_=True,
    ),
    _post(
        "invitations/accept",
        "AcceptInvitation",
        "Join the organization that invited you",
        AcceptInvitationBody,
    ),
    _post(
        "password/forgot",
        "RequestPasswordReset",
        "Have a token sent that sets a new password",
        EmailBody,
        status=202,
        open_=True,
    ),
    _post(
        "password/reset",
        "ResetPassword",
        "Set a new password by a token; ends all sessions",
        ResetPasswordBody,
        open_=True,
    ),
    _post(
        "password",
        "ChangePassword",
        "Change your password; ends all sessions but a new one",
        ChangePasswordBody,
        answer=tokens,
    ),
    _post(
        "second-factor",
        "StartSecondFactor",
        "Get a secret for an authenticator app",
        PasswordBody,
        status=201,
    ),
    _post(
        "second-factor/confirm",
        "ConfirmSecondFactor",
        "Turn the second factor on; the recovery codes are in this answer only",
        CodeBody,
    ),
    _post(
        "second-factor/remove",
        "RemoveSecondFactor",
        "Turn the second factor off",
        PasswordAndCodeBody,
    ),
    _post(
        "second-factor/recovery-codes",
        "NewRecoveryCodes",
        "Replace the recovery codes; they are in this answer only",
        PasswordAndCodeBody,
        status=201,
    ),
)
