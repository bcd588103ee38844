"""SessionService over gRPC: logging in and one's own account."""

from typing import Any

from headrace.auth.v1 import sessions_pb2, sessions_pb2_grpc
from headrace_auth.conversions import principal_message
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.use_cases.login import Login
from headrace_common.grpc_server import Registration


class SessionServicer(sessions_pb2_grpc.SessionServiceServicer):
    """The proto's SessionService."""

    def __init__(self, *, login: Login, metrics: AuthMetrics) -> None:
        self._login = login
        self._metrics = metrics

    async def Login(  # noqa: N802 - the proto's name
        self, request: sessions_pb2.LoginRequest, _context: Any
    ) -> sessions_pb2.LoginResponse:
        with counting(self._metrics.logins):
            result = await self._login.log_in(request.email, request.password)
        return sessions_pb2.LoginResponse(
            access_token=result.access_token,
            token_type="Bearer",  # noqa: S106 - not a password
            expires_in=result.expires_in_seconds,
            scope=" ".join(sorted(result.principal.scopes)),
            principal=principal_message(result.principal),
        )

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.SessionService",
            sessions_pb2_grpc.add_SessionServiceServicer_to_server,
            self,
        )
