"""The authorization server's ports in this process's memory, for tests and trials."""

from dataclasses import replace

from headrace_auth.adapters.memory_oauth_tokens import (
    MemoryTokenBook,
    MemoryTokenIssuer,
    MemoryTokenRows,
)
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.oauth.ports import Members, OAuthPorts
from headrace_common.clock import Clock


class MemoryOAuthClients:
    """OAuthClients in `rows`."""

    def __init__(self) -> None:
        self.rows: dict[str, OAuthClient] = {}

    async def get(self, client_id: str) -> OAuthClient | None:
        return self.rows.get(client_id)


class MemoryAuthorizationCodes:
    """AuthorizationCodes in `rows`, none ever forgotten."""

    def __init__(self, clock: Clock) -> None:
        self.rows: dict[bytes, AuthorizationCode] = {}
        self._clock = clock

    async def put(self, code: AuthorizationCode) -> None:
        self.rows[code.code_sha256] = code

    async def take(self, code_sha256: bytes) -> AuthorizationCode | None:
        code = self.rows.get(code_sha256)
        if code is not None and code.used_at is None:
            self.rows[code_sha256] = replace(code, used_at=self._clock.now())
        return code


def memory_oauth_ports(clients: MemoryOAuthClients, members: Members, clock: Clock) -> OAuthPorts:
    """All ports, over the given clients and members."""
    rows = MemoryTokenRows()
    return OAuthPorts(
        clients=clients,
        members=members,
        codes=MemoryAuthorizationCodes(clock),
        issuer=MemoryTokenIssuer(rows, members, clock),
        tokens=MemoryTokenBook(rows, clients, members, clock),
    )
