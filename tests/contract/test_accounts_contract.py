"""AccountService as its callers meet it: an account from its first mail to its last code."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from pyotp import TOTP

from headrace.auth.v1 import accounts_pb2 as pb
from headrace.auth.v1 import (
    accounts_pb2_grpc,
    auth_pb2,
    directory_pb2,
    directory_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
)
from headrace_auth.domain.directory import Invitation
from headrace_auth.domain.principal import Role
from headrace_auth.testing.account_suite import INVITATION
from headrace_auth.testing.directory import ACME, ADMIN, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import Metadata, RunningAuth, bearer, running_auth
from headrace_common.errors import Reason
from headrace_common.testing.clock import FakeClock

NEWCOMER, NEW_PASSWORD = "new@people.test", "another horse battery staple"
FROM = (("x-source-address", "192.0.2.7"),)


@dataclass(frozen=True, slots=True)
class Service:
    """Both stubs, and what is behind them."""

    accounts: accounts_pb2_grpc.AccountServiceStub
    sessions: sessions_pb2_grpc.SessionServiceStub
    auth: RunningAuth

    def token(self) -> str:
        """In the last mail."""
        found = re.search(r"#token=(\S+)$", self.auth.mailer.sent[-1].text, re.M)
        assert found is not None
        return found.group(1)

    async def log_in(self, email: str, password: str = PASSWORD, code: str = "") -> Metadata:
        request = sessions_pb2.LoginRequest(email=email, password=password, code=code)
        answer = await self.sessions.Login(request, timeout=5)
        return bearer(answer.tokens.access_token)


@pytest.fixture
async def service(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Service]:
    async with running_auth(clock, registration="open", mail_folder=tmp_path) as auth:
        yield Service(
            accounts_pb2_grpc.AccountServiceStub(auth.channel),
            sessions_pb2_grpc.SessionServiceStub(auth.channel),
            auth,
        )


async def test_as_it_ships_a_stranger_who_was_invited_gets_in(clock: FakeClock) -> None:
    async with running_auth(clock) as auth:
        service = Service(
            accounts_pb2_grpc.AccountServiceStub(auth.channel),
            sessions_pb2_grpc.SessionServiceStub(auth.channel),
            auth,
        )
        await directory_pb2_grpc.DirectoryServiceStub(auth.channel).InviteUser(
            directory_pb2.InviteUserRequest(email=NEWCOMER, role=auth_pb2.ROLE_MEMBER),
            metadata=await auth.bearer_of(ADMIN.email),
            timeout=5,
        )
        request = pb.RegisterRequest(email=NEWCOMER, password=NEW_PASSWORD)
        error = await refusal(service.accounts.Register(request, timeout=5))
        assert (error.reason, error.param) == (Reason.INVALID_FIELD, "invitation_token")
        request.invitation_token = service.token()
        await service.accounts.Register(request, timeout=5)
        assert await service.log_in(NEWCOMER, NEW_PASSWORD)


async def test_from_registering_to_logging_in(service: Service) -> None:
    request = pb.RegisterRequest(email=NEWCOMER, password=NEW_PASSWORD, name="Ann")
    assert await service.accounts.Register(request, timeout=5) == pb.RegisterResponse()
    error = await refusal(service.log_in(NEWCOMER, NEW_PASSWORD))
    assert error.reason is Reason.PERMISSION_DENIED
    token = service.token()
    assert token.startswith("hrv_")
    verify = pb.VerifyEmailRequest(token=token, password="not the one")
    error = await refusal(service.accounts.VerifyEmail(verify, timeout=5))
    assert error.reason is Reason.LOGIN_FAILED
    verify.password = NEW_PASSWORD
    await service.accounts.VerifyEmail(verify, timeout=5)
    caller = await service.log_in(NEWCOMER, NEW_PASSWORD)
    me = await service.sessions.GetMe(sessions_pb2.GetMeRequest(), metadata=caller, timeout=5)
    assert (me.email, me.name, me.role) == (NEWCOMER, "Ann", auth_pb2.ROLE_OWNER)
    assert [place.name for place in me.organizations] == ["new"]


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        ("Register", lambda email: pb.RegisterRequest(email=email, password=NEW_PASSWORD)),
        ("ResendVerification", lambda email: pb.ResendVerificationRequest(email=email)),
        ("RequestPasswordReset", lambda email: pb.RequestPasswordResetRequest(email=email)),
    ],
    ids=["register", "resend", "reset"],
)
async def test_known_and_unknown_addresses_get_one_answer(
    service: Service, call: str, request_: Any
) -> None:
    answers = []
    for email in (OWNER.email, "nobody@people.test"):
        asked = getattr(service.accounts, call)(request_(email), metadata=FROM, timeout=5)
        answer = await asked
        assert await asked.code() is grpc.StatusCode.OK
        answers.append((answer, await asked.initial_metadata(), await asked.trailing_metadata()))
    assert repr(answers[0]) == repr(answers[1])


async def test_a_forgotten_password_is_set_anew(service: Service) -> None:
    old = await service.log_in(MEMBER.email)
    request = pb.RequestPasswordResetRequest(email=MEMBER.email)
    await service.accounts.RequestPasswordReset(request, timeout=5)
    reset = pb.ResetPasswordRequest(token=service.token(), new_password=NEW_PASSWORD)
    await service.accounts.ResetPassword(reset, timeout=5)
    error = await refusal(
        service.sessions.GetMe(sessions_pb2.GetMeRequest(), metadata=old, timeout=5)
    )
    assert error.reason is Reason.CREDENTIAL_INVALID
    await service.log_in(MEMBER.email, NEW_PASSWORD)
    error = await refusal(service.accounts.ResetPassword(reset, timeout=5))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "token")


async def test_a_changed_password_brings_the_tokens_of_a_new_session(service: Service) -> None:
    caller = await service.log_in(MEMBER.email)
    request = pb.ChangePasswordRequest(current_password=PASSWORD, new_password=NEW_PASSWORD)
    answer = await service.accounts.ChangePassword(request, metadata=caller, timeout=5)
    fresh = bearer(answer.tokens.access_token)
    await service.sessions.GetMe(sessions_pb2.GetMeRequest(), metadata=fresh, timeout=5)
    error = await refusal(service.accounts.ChangePassword(request, metadata=caller, timeout=5))
    assert error.reason is Reason.CREDENTIAL_INVALID


async def test_a_second_factor_from_start_to_end(service: Service) -> None:
    caller = await service.log_in(MEMBER.email)
    started = await service.accounts.StartSecondFactor(
        pb.StartSecondFactorRequest(password=PASSWORD), metadata=caller, timeout=5
    )
    app = TOTP(started.secret)
    assert started.uri.startswith("otpauth://totp/")
    confirmed = await service.accounts.ConfirmSecondFactor(
        pb.ConfirmSecondFactorRequest(code=app.at(service.auth.clock.now())),
        metadata=caller,
        timeout=5,
    )
    assert len(confirmed.recovery_codes) == 10
    error = await refusal(service.log_in(MEMBER.email))
    assert error.reason is Reason.SECOND_FACTOR_REQUIRED
    caller = await service.log_in(MEMBER.email, code=confirmed.recovery_codes[0])
    change = pb.ChangePasswordRequest(current_password=PASSWORD, new_password=NEW_PASSWORD)
    error = await refusal(service.accounts.ChangePassword(change, metadata=caller, timeout=5))
    assert (error.reason, error.param) == (Reason.SECOND_FACTOR_REQUIRED, "code")
    change.new_password, change.code = PASSWORD, confirmed.recovery_codes[2]
    answer = await service.accounts.ChangePassword(change, metadata=caller, timeout=5)
    caller = bearer(answer.tokens.access_token)
    renewed = await service.accounts.NewRecoveryCodes(
        pb.NewRecoveryCodesRequest(password=PASSWORD, code=confirmed.recovery_codes[1]),
        metadata=caller,
        timeout=5,
    )
    await service.accounts.RemoveSecondFactor(
        pb.RemoveSecondFactorRequest(password=PASSWORD, code=renewed.recovery_codes[0]),
        metadata=caller,
        timeout=5,
    )
    await service.log_in(MEMBER.email)


async def test_an_invitation_is_taken(service: Service) -> None:
    now = service.auth.clock.now()
    invitation = Invitation(
        "01900000-0000-7000-8000-0000000000f1",
        ACME,
        OUTSIDER.email,
        Role.MEMBER,
        INVITATION.sha256,
        ADMIN.user_id,
        now,
        now.replace(year=now.year + 1),
    )
    async with service.auth.store.begin() as transaction:
        await transaction.of(Invitation).add(invitation)
    caller = await service.log_in(OUTSIDER.email)
    request = pb.AcceptInvitationRequest(token=INVITATION.reveal(), password="wrong")
    error = await refusal(service.accounts.AcceptInvitation(request, metadata=caller, timeout=5))
    assert error.reason is Reason.LOGIN_FAILED
    request.password = PASSWORD
    answer = await service.accounts.AcceptInvitation(request, metadata=caller, timeout=5)
    assert (answer.organization_id, answer.role) == (ACME, auth_pb2.ROLE_MEMBER)
    error = await refusal(service.accounts.AcceptInvitation(request, metadata=caller, timeout=5))
    assert error.reason is Reason.RESOURCE_NOT_FOUND


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        ("AcceptInvitation", pb.AcceptInvitationRequest()),
        ("ChangePassword", pb.ChangePasswordRequest()),
        ("StartSecondFactor", pb.StartSecondFactorRequest()),
        ("ConfirmSecondFactor", pb.ConfirmSecondFactorRequest()),
        ("RemoveSecondFactor", pb.RemoveSecondFactorRequest()),
        ("NewRecoveryCodes", pb.NewRecoveryCodesRequest()),
    ],
)
async def test_ones_own_account_needs_a_credential(
    service: Service, call: str, request_: Any
) -> None:
    error = await refusal(getattr(service.accounts, call)(request_, timeout=5))
    assert error.reason is Reason.CREDENTIAL_MISSING


async def test_an_empty_request_is_refused_in_every_call(service: Service) -> None:
    for call, request in (
        ("Register", pb.RegisterRequest()),
        ("VerifyEmail", pb.VerifyEmailRequest()),
        ("ResendVerification", pb.ResendVerificationRequest()),
        ("RequestPasswordReset", pb.RequestPasswordResetRequest()),
        ("ResetPassword", pb.ResetPasswordRequest()),
    ):
        error = await refusal(getattr(service.accounts, call)(request, timeout=5))
        assert error.reason is Reason.INVALID_FIELD
