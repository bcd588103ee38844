"""Signed requests are each resolved through `auth`, for each is good once."""

from headrace_common.errors import HeadraceError, Kind, Reason, credential_invalid
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.ports import CredentialResolver


class SignedRequests:
    """Nothing is remembered: while `auth` does not answer, nobody is believed."""

    def __init__(self, resolver: CredentialResolver, *, maximum_in_flight: int) -> None:
        self._resolver = resolver
        self._maximum_in_flight = maximum_in_flight
        self._in_flight = 0

    async def resolve(self, signed: SignedRequest) -> Principal:
        """Raises CREDENTIAL_INVALID, QUEUE_FULL or DEPENDENCY_UNAVAILABLE."""
        if self._in_flight >= self._maximum_in_flight:
            raise HeadraceError(
                Reason.QUEUE_FULL, "Too many signatures are being checked.", retry_after_seconds=1
            )
        self._in_flight += 1
        try:
            return await self._resolver.resolve_signed(signed)
        except HeadraceError as error:
            if error.kind is Kind.UNAUTHENTICATED:
                raise credential_invalid() from error
            raise
        finally:
            self._in_flight -= 1
