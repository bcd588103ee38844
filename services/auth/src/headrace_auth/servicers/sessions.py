"""SessionService over gRPC: a person's way in and out."""

from typing import Any

from headrace.auth.v1 import sessions_pb2, sessions_pb2_grpc
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.messages import (
    me_message,
    principal_message,
    session_message,
    tokens_message,
)
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.sessions.own_sessions import OwnSessions
from headrace_auth.use_cases.start import Bootstrap
from headrace_common.grpc_server import Registration


class SessionServicer(sessions_pb2_grpc.SessionServiceServicer):
    """The proto's SessionService."""

    def __init__(
        self,
        *,
        callers: Callers,
        login: Login,
        sessions: OwnSessions,
        bootstrap: Bootstrap,
        metrics: AuthMetrics,
    ) -> None:
        self._callers = callers
        self._login = login
        self._sessions = sessions
        self._bootstrap = bootstrap
        self._metrics = metrics

    async def Login(  # noqa: N802 - the proto's name
        self, request: sessions_pb2.LoginRequest, context: Any
    ) -> sessions_pb2.LoginResponse:
        with counting(self._metrics.logins):
            result = await self._login.log_in(
                self._callers.anybody(context),
                request.email,
                request.password,
                code=request.code,
                organization_id=request.organization_id,
            )
        principal = principal_message(result.principal)
        return sessions_pb2.LoginResponse(tokens=tokens_message(result), principal=principal)

    async def Refresh(  # noqa: N802 - the proto's name
        self, request: sessions_pb2.RefreshRequest, context: Any
    ) -> sessions_pb2.RefreshResponse:
        caller = self._callers.anybody(context)
        result = await self._sessions.refresh(caller, request.refresh_token)
        principal = principal_message(result.principal)
        return sessions_pb2.RefreshResponse(tokens=tokens_message(result), principal=principal)

    async def SwitchOrganization(  # noqa: N802 - the proto's name
        self, request: sessions_pb2.SwitchOrganizationRequest, context: Any
    ) -> sessions_pb2.SwitchOrganizationResponse:
        caller = await self._callers.identified(context)
        result = await self._sessions.switch(caller, request.organization_id)
        return sessions_pb2.SwitchOrganizationResponse(tokens=tokens_message(result))

    async def GetMe(  # noqa: N802 - the proto's name
        self, _request: sessions_pb2.GetMeRequest, context: Any
    ) -> sessions_pb2.GetMeResponse:
        caller = await self._callers.identified(context)
        return me_message(await self._sessions.me(caller))

    async def ListSessions(  # noqa: N802 - the proto's name
        self, _request: sessions_pb2.ListSessionsRequest, context: Any
    ) -> sessions_pb2.ListSessionsResponse:
        caller = await self._callers.identified(context)
        here = caller.identified().session_id
        sessions = await self._sessions.list(caller)
        return sessions_pb2.ListSessionsResponse(
            sessions=[session_message(each, current=each.session_id == here) for each in sessions]
        )

    async def EndSession(  # noqa: N802 - the proto's name
        self, request: sessions_pb2.EndSessionRequest, context: Any
    ) -> sessions_pb2.EndSessionResponse:
        caller = await self._callers.identified(context)
        await self._sessions.end(caller, request.session_id)
        return sessions_pb2.EndSessionResponse()

    async def EndAllSessions(  # noqa: N802 - the proto's name
        self, _request: sessions_pb2.EndAllSessionsRequest, context: Any
    ) -> sessions_pb2.EndAllSessionsResponse:
        caller = await self._callers.identified(context)
        await self._sessions.end_all(caller)
        return sessions_pb2.EndAllSessionsResponse()

    async def Bootstrap(  # noqa: N802 - the proto's name
        self, request: sessions_pb2.BootstrapRequest, context: Any
    ) -> sessions_pb2.BootstrapResponse:
        owner = await self._bootstrap.make_owner(
            self._callers.anybody(context),
            request.token,
            email=request.email,
            password=request.password,
            organization_name=request.organization_name,
        )
        return sessions_pb2.BootstrapResponse(
            user_id=owner.user_id, organization_id=owner.organization_id
        )

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.SessionService",
            sessions_pb2_grpc.add_SessionServiceServicer_to_server,
            self,
        )
