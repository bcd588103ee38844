"""PlatformService over gRPC: for those who run this installation."""

from typing import Any

from headrace.auth.v1 import platform_pb2, platform_pb2_grpc
from headrace_auth.domain import key_rotation
from headrace_auth.ports import SealedSigningKey
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.messages import timestamp
from headrace_auth.use_cases.signing_keys.administration import SigningKeyAdministration
from headrace_common.clock import Clock
from headrace_common.grpc_server import Registration


class PlatformServicer(platform_pb2_grpc.PlatformServiceServicer):
    """The proto's PlatformService."""

    def __init__(
        self, *, callers: Callers, signing_keys: SigningKeyAdministration, clock: Clock
    ) -> None:
        self._callers = callers
        self._signing_keys = signing_keys
        self._clock = clock

    async def ListSigningKeys(  # noqa: N802 - the proto's name
        self, _request: platform_pb2.ListSigningKeysRequest, context: Any
    ) -> platform_pb2.ListSigningKeysResponse:
        caller = await self._callers.identified(context)
        keys = await self._signing_keys.list(caller)
        signing = key_rotation.signing(keys, self._clock.now())
        return platform_pb2.ListSigningKeysResponse(
            signing_keys=[_message(key, signing=key is signing) for key in keys]
        )

    async def RotateSigningKeys(  # noqa: N802 - the proto's name
        self, request: platform_pb2.RotateSigningKeysRequest, context: Any
    ) -> platform_pb2.RotateSigningKeysResponse:
        caller = await self._callers.identified(context)
        key = await self._signing_keys.rotate(caller, withdraw=request.withdraw)
        message = _message(key, signing=False)
        return platform_pb2.RotateSigningKeysResponse(signing_key=message)

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.PlatformService",
            platform_pb2_grpc.add_PlatformServiceServicer_to_server,
            self,
        )


def _message(key: SealedSigningKey, *, signing: bool) -> platform_pb2.SigningKey:
    return platform_pb2.SigningKey(
        kid=key.kid,
        algorithm=key.algorithm,
        created_at=timestamp(key.created_at),
        activates_at=timestamp(key.activates_at),
        retires_at=timestamp(key.retires_at),
        signing=signing,
    )
