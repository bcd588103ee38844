"""FederationService over gRPC: logins through identity providers."""

from dataclasses import dataclass
from typing import Any

from headrace.auth.v1 import federation_pb2, federation_pb2_grpc
from headrace_auth.domain.directory import LinkedIdentity
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.messages import principal_message, timestamp, tokens_message
from headrace_auth.use_cases.federation.federated_logins import Begun, FederatedLogins
from headrace_auth.use_cases.federation.login_codes import LoginCodeExchange
from headrace_auth.use_cases.federation.own_identities import OwnIdentities
from headrace_common.grpc_server import Registration


@dataclass(frozen=True, slots=True)
class Federated:
    """The use cases behind FederationService."""

    logins: FederatedLogins
    exchange: LoginCodeExchange
    identities: OwnIdentities


class FederationServicer(federation_pb2_grpc.FederationServiceServicer):
    """The proto's FederationService."""

    def __init__(self, *, callers: Callers, federated: Federated, metrics: AuthMetrics) -> None:
        self._callers = callers
        self._federated = federated
        self._metrics = metrics

    async def StartFederatedLogin(  # noqa: N802 - the proto's name
        self, request: federation_pb2.StartFederatedLoginRequest, context: Any
    ) -> federation_pb2.StartFederatedLoginResponse:
        caller = self._callers.anybody(context)
        url = await self._federated.logins.start(caller, _begun(request))
        return federation_pb2.StartFederatedLoginResponse(authorization_url=url)

    async def CompleteFederatedLogin(  # noqa: N802 - the proto's name
        self, request: federation_pb2.CompleteFederatedLoginRequest, context: Any
    ) -> federation_pb2.CompleteFederatedLoginResponse:
        landing = await self._federated.logins.complete(
            self._callers.anybody(context),
            request.provider,
            request.state,
            code=request.code,
            error=request.error,
        )
        return federation_pb2.CompleteFederatedLoginResponse(
            redirect_uri=landing.redirect_uri,
            login_code=landing.login_code,
            error=landing.refusal or "",
        )

    async def ExchangeLoginCode(  # noqa: N802 - the proto's name
        self, request: federation_pb2.ExchangeLoginCodeRequest, context: Any
    ) -> federation_pb2.ExchangeLoginCodeResponse:
        with counting(self._metrics.federated_logins):
            result = await self._federated.exchange.exchange(
                self._callers.anybody(context),
                request.code,
                request.code_verifier,
                organization_id=request.organization_id,
                second_factor_code=request.second_factor_code,
            )
        if isinstance(result, LinkedIdentity):
            return federation_pb2.ExchangeLoginCodeResponse(identity=_identity_message(result))
        return federation_pb2.ExchangeLoginCodeResponse(
            tokens=tokens_message(result), principal=principal_message(result.principal)
        )

    async def LinkIdentity(  # noqa: N802 - the proto's name
        self, request: federation_pb2.LinkIdentityRequest, context: Any
    ) -> federation_pb2.LinkIdentityResponse:
        caller = await self._callers.identified(context)
        url = await self._federated.logins.start_link(
            caller, _begun(request), password=request.password, code=request.code
        )
        return federation_pb2.LinkIdentityResponse(authorization_url=url)

    async def ListIdentities(  # noqa: N802 - the proto's name
        self, _request: federation_pb2.ListIdentitiesRequest, context: Any
    ) -> federation_pb2.ListIdentitiesResponse:
        caller = await self._callers.identified(context)
        identities = await self._federated.identities.list(caller)
        return federation_pb2.ListIdentitiesResponse(
            identities=[_identity_message(each) for each in identities]
        )

    async def UnlinkIdentity(  # noqa: N802 - the proto's name
        self, request: federation_pb2.UnlinkIdentityRequest, context: Any
    ) -> federation_pb2.UnlinkIdentityResponse:
        caller = await self._callers.identified(context)
        await self._federated.identities.unlink(
            caller,
            request.provider,
            request.subject,
            password=request.password,
            code=request.code,
        )
        return federation_pb2.UnlinkIdentityResponse()

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.FederationService",
            federation_pb2_grpc.add_FederationServiceServicer_to_server,
            self,
        )


def _begun(
    request: federation_pb2.StartFederatedLoginRequest | federation_pb2.LinkIdentityRequest,
) -> Begun:
    return Begun(request.provider, request.redirect_uri, request.code_challenge)


def _identity_message(identity: LinkedIdentity) -> federation_pb2.LinkedIdentity:
    return federation_pb2.LinkedIdentity(
        provider=identity.provider,
        subject=identity.subject,
        email=identity.email,
        created_at=timestamp(identity.created_at),
    )
