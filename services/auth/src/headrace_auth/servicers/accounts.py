"""AccountService over gRPC: what people do with their own accounts."""

from dataclasses import dataclass
from typing import Any

from headrace.auth.v1 import accounts_pb2, accounts_pb2_grpc, auth_pb2
from headrace_auth.domain.registration import check_registration
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.messages import tokens_message
from headrace_auth.use_cases.accounts.email_verification import EmailVerification
from headrace_auth.use_cases.accounts.own_second_factor import OwnSecondFactor
from headrace_auth.use_cases.accounts.password_change import PasswordChange
from headrace_auth.use_cases.accounts.password_reset import PasswordReset
from headrace_auth.use_cases.accounts.registration import Registration
from headrace_auth.use_cases.directory.taking_invitations import OwnInvitations
from headrace_common import grpc_server
from headrace_common.proto_enums import to_proto


@dataclass(frozen=True, slots=True)
class Accounts:
    """The use cases behind AccountService."""

    registration: Registration
    verification: EmailVerification
    invitations: OwnInvitations
    password_reset: PasswordReset
    password_change: PasswordChange
    second_factor: OwnSecondFactor


class AccountServicer(accounts_pb2_grpc.AccountServiceServicer):
    """The proto's AccountService."""

    def __init__(self, *, callers: Callers, accounts: Accounts) -> None:
        self._callers = callers
        self._accounts = accounts

    async def Register(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.RegisterRequest, context: Any
    ) -> accounts_pb2.RegisterResponse:
        wanted = check_registration(
            email=request.email,
            password=request.password,
            name=request.name,
            organization_name=request.organization_name,
            invitation_token=request.invitation_token,
        )
        await self._accounts.registration.register(self._callers.anybody(context), wanted)
        return accounts_pb2.RegisterResponse()

    async def VerifyEmail(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.VerifyEmailRequest, context: Any
    ) -> accounts_pb2.VerifyEmailResponse:
        await self._accounts.verification.verify(
            self._callers.anybody(context), request.token, request.password
        )
        return accounts_pb2.VerifyEmailResponse()

    async def ResendVerification(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.ResendVerificationRequest, context: Any
    ) -> accounts_pb2.ResendVerificationResponse:
        await self._accounts.verification.resend(self._callers.anybody(context), request.email)
        return accounts_pb2.ResendVerificationResponse()

    async def AcceptInvitation(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.AcceptInvitationRequest, context: Any
    ) -> accounts_pb2.AcceptInvitationResponse:
        caller = await self._callers.identified(context)
        accepted = await self._accounts.invitations.accept(
            caller, request.token, password=request.password, code=request.code
        )
        return accounts_pb2.AcceptInvitationResponse(
            organization_id=accepted.organization_id, role=to_proto(auth_pb2.Role, accepted.role)
        )

    async def RequestPasswordReset(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.RequestPasswordResetRequest, context: Any
    ) -> accounts_pb2.RequestPasswordResetResponse:
        await self._accounts.password_reset.request(self._callers.anybody(context), request.email)
        return accounts_pb2.RequestPasswordResetResponse()

    async def ResetPassword(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.ResetPasswordRequest, context: Any
    ) -> accounts_pb2.ResetPasswordResponse:
        await self._accounts.password_reset.reset(
            self._callers.anybody(context), request.token, request.new_password
        )
        return accounts_pb2.ResetPasswordResponse()

    async def ChangePassword(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.ChangePasswordRequest, context: Any
    ) -> accounts_pb2.ChangePasswordResponse:
        caller = await self._callers.identified(context)
        result = await self._accounts.password_change.change(
            caller, request.current_password, request.new_password, code=request.code
        )
        return accounts_pb2.ChangePasswordResponse(tokens=tokens_message(result))

    async def StartSecondFactor(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.StartSecondFactorRequest, context: Any
    ) -> accounts_pb2.StartSecondFactorResponse:
        caller = await self._callers.identified(context)
        started = await self._accounts.second_factor.start(caller, request.password)
        return accounts_pb2.StartSecondFactorResponse(secret=started.secret, uri=started.uri)

    async def ConfirmSecondFactor(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.ConfirmSecondFactorRequest, context: Any
    ) -> accounts_pb2.ConfirmSecondFactorResponse:
        caller = await self._callers.identified(context)
        codes = await self._accounts.second_factor.confirm(caller, request.code)
        return accounts_pb2.ConfirmSecondFactorResponse(recovery_codes=codes)

    async def RemoveSecondFactor(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.RemoveSecondFactorRequest, context: Any
    ) -> accounts_pb2.RemoveSecondFactorResponse:
        caller = await self._callers.identified(context)
        await self._accounts.second_factor.remove(caller, request.password, request.code)
        return accounts_pb2.RemoveSecondFactorResponse()

    async def NewRecoveryCodes(  # noqa: N802 - the proto's name
        self, request: accounts_pb2.NewRecoveryCodesRequest, context: Any
    ) -> accounts_pb2.NewRecoveryCodesResponse:
        caller = await self._callers.identified(context)
        codes = await self._accounts.second_factor.renew_recovery_codes(
            caller, request.password, request.code
        )
        return accounts_pb2.NewRecoveryCodesResponse(recovery_codes=codes)

    def registration(self) -> grpc_server.Registration:
        """How to add this servicer to a server."""
        return grpc_server.Registration(
            "headrace.auth.v1.AccountService",
            accounts_pb2_grpc.add_AccountServiceServicer_to_server,
            self,
        )
