"""From a call's metadata to who calls."""

from dataclasses import replace
from typing import Any

from headrace_auth.domain.callers import Caller
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.servicers.messages import MAXIMUM_CREDENTIAL, bearer_credential
from headrace_auth.use_cases.credentials.resolve import CredentialResolver

MAXIMUM_TEXT = 200
"""Characters of what is only told on."""


class Callers:
    """Finds out who calls; shared by all servicers."""

    def __init__(self, resolver: CredentialResolver, metrics: AuthMetrics) -> None:
        self._resolver = resolver
        self._metrics = metrics

    async def identified(self, context: Any) -> Caller:
        """Whose credential the call carries; raises CREDENTIAL_MISSING or CREDENTIAL_INVALID."""
        metadata = _metadata(context)
        with counting(self._metrics.resolutions):
            credential = bearer_credential(metadata)
            principal = await self._resolver.resolve(credential)
        return replace(_anybody(metadata), principal=principal, credential=credential)

    def anybody(self, context: Any) -> Caller:
        """Where the call comes from, for calls that need no credential."""
        return _anybody(_metadata(context))


def _metadata(context: Any) -> list[tuple[str, str]]:
    pairs = context.invocation_metadata() or ()
    return [(str(key), str(value)[: MAXIMUM_CREDENTIAL + 10]) for key, value in pairs]


def _anybody(metadata: list[tuple[str, str]]) -> Caller:
    told = dict(metadata)
    return Caller(
        request_id=told.get("x-request-id", "")[:MAXIMUM_TEXT],
        source_address=told.get("x-source-address", "")[:MAXIMUM_TEXT],
        user_agent=told.get("x-user-agent", "")[:MAXIMUM_TEXT],
    )
